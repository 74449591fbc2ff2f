"""From batches on the bus to breaches, minutes and open sets on the bus."""

import asyncio
from datetime import timedelta

from services.evaluator.adapters.bus import BusSpeaker
from shared.config import EvaluatorSlice
from shared.contracts import BreachCleared, BreachOpened, ClearReason, ConfigApplied, Message, Tick
from shared.kit.bus import Publisher
from shared.kit.service import end_tasks
from shared.values import Severity
from tests.integration.evaluator.conftest import login
from tests.integration.evaluator.stage import Stage, eventually
from tests.integration.evaluator.telling import configuration
from tests.unit.evaluator.owning import House
from tests.unit.evaluator.story import check, down, plan


async def test_failing_samples_open_a_breach_and_good_ones_clear_it(live: Stage) -> None:
    await live.apply(configuration())
    prober = live.prober()
    await live.until_configured()
    await prober.ok(0, 1)
    await prober.failed(2, 3)
    await live.until_told("opened down")
    await prober.ok(4, 5)
    await live.until_told("cleared down")

    opened, cleared = (one for one in await live.breaches() if one.key.rule == "down")
    assert isinstance(opened, BreachOpened)
    assert (opened.source, opened.service, opened.key.text) == ("evaluator-0", "shop", "down/web/main")
    assert opened.breach.severity is Severity.CRITICAL
    assert opened.breach.began_at == prober.start + timedelta(seconds=3)
    assert opened.sample_took_s == 0.25
    assert isinstance(cleared, BreachCleared)
    assert cleared.reason is ClearReason.HEALED
    assert cleared.rev > opened.rev


async def test_the_open_set_is_stated_with_the_configuration_and_as_often_as_it_says(live: Stage) -> None:
    await live.apply(configuration(restate="1s"))

    async def is_stated() -> bool:
        return await live.open_set() is not None

    await eventually(is_stated, "an open set")
    first = await live.open_set()
    assert first is not None
    assert first.breaches == []
    prober = live.prober()
    await prober.failed(1, 2)

    async def is_listed() -> bool:
        now = await live.open_set()
        return now is not None and now.as_of > first.as_of and [one.key.rule for one in now.breaches] == ["down"]

    await eventually(is_listed, "the breach in the next open set")


async def test_a_rule_that_vanishes_clears_its_breach_but_not_as_healed(live: Stage) -> None:
    config = configuration()
    await live.apply(config)
    await live.until_configured()
    await live.prober().failed(1, 2)
    await live.until_told("opened down")
    rules = {name: rule for name, rule in config.rules.items() if name != "down"}
    await live.apply(EvaluatorSlice(**{**dict(config), "rules": rules}))
    await live.until_told("cleared down")
    cleared = (await live.breaches())[-1]
    assert isinstance(cleared, BreachCleared)
    assert cleared.reason is ClearReason.CONFIG


class Both:
    """Says to the memory (control records go to its log) and verdicts also to the bus."""

    def __init__(self, house: House, bus: BusSpeaker) -> None:
        self._house = house
        self._bus = bus

    async def say(self, message: Message) -> None:
        if not isinstance(message, Tick | ConfigApplied):
            await self._bus.say(message)
        await self._house.speaker.say(message)


async def test_a_minute_is_stored_when_it_is_over_and_only_once(stage: Stage) -> None:
    # given a log of a little more than a minute, on a clock that need not be waited for
    house = House(plan(down(), checks=[check(every=5, timeout=2, grace=5)]))
    client = await login(stage.server, "evaluator")
    publisher = Publisher(client, "/hypercare/evaluator")
    await publisher.start()
    # when two owners conclude from it, one after the other, neither knowing of the other's checkpoint
    for _ in range(2):
        owner = house.owner(speaker=Both(house, BusSpeaker(publisher)), checkpoint_every_s=1000)
        task = asyncio.create_task(owner.run())
        await house.until(lambda: house.is_configured)
        await house.hear(owner, seconds=40)
        await house.read_by(owner)
        await end_tasks([task])
    await owner.release()
    await client.close()
    # then it is there, with its numbers (nothing was sent at second 0)
    (minute,) = await stage.measurements()
    assert (minute.service, minute.ok, minute.failed, minute.coverage) == ("shop", 11, 0, 11 / 12)
    assert minute.series["total"].p95 == 0.1
