"""A configuration is applied, and what follows from it overtakes it."""

from nats.js.api import ConsumerInfo

from shared.contracts import BreachOpened, PageRequested
from shared.contracts.streams import INCIDENTS_BREACHES
from shared.kit.clock import SystemClock
from shared.kit.revisions import read_answers
from shared.values import Location
from tests.component.incidents.system import CONFIGURATION, KEY, SOURCE, System, breach, now_rev, until

WITH_NUNO = (
    CONFIGURATION.replace("services:\n", "services:\n  erp-new: {escalation: new}\n")
    .replace("people:\n", "people:\n  nuno: {name: Nuno, reach: [{email: nuno@example.org}]}\n")
    .replace("escalations:\n", "escalations:\n  new:\n    default: {steps: [{notify: [nuno]}]}\n")
)
AT_ONCE = 4
"""Breaches taken at the same time; see the service's settings."""


async def judged_under(system: System, revision: int, service: str, location: str = "main") -> None:
    key = KEY.model_copy(update={"location": Location(location)})
    stated = breach(now_rev(), service).model_copy(update={"key": key})
    await system.say(BreachOpened.of(SOURCE, stated, SystemClock().now(), revision=revision))


async def test_a_breach_that_overtakes_its_configuration_pages_whom_that_names_and_holds_nobody_up(
    system: System,
) -> None:
    # given a replica that works by revision 1, and more breaches of revision 2 than it takes at once
    await system.ready()
    for number in range(AT_ONCE + 1):
        await judged_under(system, 2, "erp-new", f"at-{number}")

    async def all_wait() -> ConsumerInfo | None:
        info = await system.client.jetstream().consumer_info(INCIDENTS_BREACHES.stream, INCIDENTS_BREACHES.durable)
        return info if (info.num_redelivered or 0) > AT_ONCE else None

    await until(all_wait, "all breaches are sent back")
    # when a breach of what is known comes behind them
    await judged_under(system, 1, "erp-web")
    # then it is paged for
    assert (await system.hear_page("ana")).revision == 1
    # and when the configuration comes
    await system.configure(WITH_NUNO)
    # then the person is paged whom it names, and nobody was paged in their place
    assert (await system.hear_page("nuno", "erp-new")).revision == 2
    pages = [one for one in system.heard if isinstance(one, PageRequested) and one.kind == "page"]
    assert {one.addressee.person for one in pages if one.service == "erp-new"} == {"nuno"}


async def test_nobody_waits_for_a_configuration_that_was_refused(system: System) -> None:
    # given a replica that has refused revision 2
    await system.ready()
    await system.apply("not-a-slice", b'{"programme": 7}')

    async def refused() -> bool | None:
        answers = await read_answers(system.client.jetstream())
        return True if any(one.revision == 2 and not one.taken for one in answers) else None

    await until(refused, "revision 2 is refused")
    # when a breach of that revision comes, then it is paged by what there is (sooner than the longest wait)
    await judged_under(system, 2, "erp-web")
    await system.hear_page("ana")
