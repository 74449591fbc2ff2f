"""SIGKILL at the worst moments: nothing is lost, nothing is said twice."""

import asyncio
import itertools
from pathlib import Path

import pytest

from shared.contracts import IncidentAcknowledged, IncidentEvent, IncidentOpened, PageRequested, PageState, StageEntered
from tests.component.incidents.system import KEY, System, breach, until

POINTS = ("commit.before", "commit.after", "publish.before", "publish.after", "ack.before", "ack.after")
SERVICES = [f"erp-{number}" for number in range(6)]


async def _dead(system: System) -> bool | None:
    return True if system.replicas[0].process.returncode is not None else None


@pytest.mark.parametrize("point", POINTS)
async def test_a_replica_killed_while_it_takes_a_breach_loses_and_doubles_nothing(
    system: System, tmp_path: Path, point: str
) -> None:
    armed = tmp_path / "crash"
    await system.ready(HYPERCARE_CRASH_FILE=str(armed))

    # The points are also passed by heartbeats and look-outs: several breaches, so that one of them is in the middle.
    opened = [system.open_breach(service=service) for service in SERVICES]
    armed.write_text(f"{point} 1")
    revs = dict(zip(SERVICES, await asyncio.gather(*opened), strict=True))
    await until(lambda: _dead(system), f"killed at {point}")
    await system.ready("incidents-1")
    # What was in the middle comes again when its acknowledgement is overdue; the open set is sooner.
    await system.state_open_set([breach(rev, service) for service, rev in revs.items()])

    for service in SERVICES:
        page = await system.hear_page("ana", service=service)
        await system.give_receipt(page, PageState.ACKNOWLEDGED)
        await system.hear(
            lambda m, service=service: isinstance(m, IncidentAcknowledged) and m.service == service,  # type: ignore[misc]  # bound in the loop
            f"acknowledged: {service}",
        )
    await _assert_each_said_once(system)


async def _assert_each_said_once(system: System) -> None:
    pages = [m for m in await system.stored("PAGES") if isinstance(m, PageRequested)]
    rung = [(m.service, m.page) for m in pages if m.kind == "page" and m.issue == 0]
    assert len(rung) == len(set(rung)) == len(SERVICES)

    events = [m for m in await system.stored("INCIDENTS") if isinstance(m, IncidentEvent)]
    assert len([m for m in events if isinstance(m, IncidentOpened)]) == len(SERVICES)
    for _, group in itertools.groupby(sorted(events, key=lambda m: m.incident), key=lambda m: m.incident):
        sequences = [m.sequence for m in group]
        assert sequences == list(range(1, len(sequences) + 1))


async def test_of_two_replicas_one_is_killed_under_load_and_every_service_gets_one_incident(system: System) -> None:
    first = await system.ready("incidents-0")
    await system.ready("incidents-1")
    sources = [f"evaluator-{number}" for number in range(4)]

    said = [(source, service) for source in sources for service in SERVICES]
    revs = [await system.open_breach(source, service) for source, service in said[: len(said) // 2]]
    await first.kill()
    revs += [await system.open_breach(source, service) for source, service in said[len(said) // 2 :]]
    for source in sources:
        mine = [breach(rev, of) for (from_, of), rev in zip(said, revs, strict=True) if from_ == source]
        await system.state_open_set(mine, source)

    for service in SERVICES:
        await system.hear_page("ana", service=service)

    async def all_joined() -> bool | None:
        shown = (await system.ask("GET", "?state=all")).json()
        return True if [one["open_breaches"] for one in shown] == [len(sources)] * len(SERVICES) else None

    await until(all_joined, "every breach is in its incident")
    await _assert_each_said_once(system)
    assert KEY.rule == "web-down"


async def test_an_escalation_goes_on_where_a_killed_replica_left_it(system: System) -> None:
    first = await system.ready()
    rev = await system.open_breach()
    page = await system.hear_page("ana")
    await system.give_receipt(page, PageState.ACCEPTED)

    async def is_handed_over() -> bool | None:
        shown = (await system.ask("GET", f"/{page.incident}")).json()
        return True if any(one["handed_over_at"] for one in shown["pages"]) else None

    await until(is_handed_over, "the hand-over is kept")
    await first.kill()

    await system.ready("incidents-1")
    await system.state_open_set([breach(rev)])

    await system.hear_page("joao")
    await system.clear_breach(rev + 1)
    await system.hear(lambda m: isinstance(m, StageEntered) and m.stage == "resolution", "resolution")
