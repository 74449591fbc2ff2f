"""However an owner ends, what it had concluded is said: by itself, or by the next one from the last checkpoint."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from services.evaluator.owner import Owner
from shared.contracts import BreachOpened, ConfigApplied, Message, OpenSet, Tick
from shared.kit.clock import from_ns
from tests.unit.evaluator.owning import House, killed
from tests.unit.evaluator.story import at, check, down, plan

PLAN = plan(down(), checks=[check(every=5, timeout=2, grace=5)], prober_grace=10)
FAILING = range(10, 30)


class SavesTooSoon(Owner):
    """A seeded defect: the checkpoint does not wait for what was said before it."""

    async def _before_saving(self) -> None:
        return


class DyingSpeaker:
    """Stores open sets and control records; verdicts hang until the process dies."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def say(self, message: Message) -> None:
        if isinstance(message, BreachOpened):
            await asyncio.Event().wait()
        await self._house.speaker.say(message)


async def _breaches_after_death_in_mid_sentence(owner_type: type[Owner]) -> list[str]:
    """Die while a verdict is on its way, after a checkpoint was due; let another owner go on."""
    house = House(PLAN, owner_type=owner_type)
    doomed = house.owner(checkpoint_every_s=1, speaker=DyingSpeaker(house))
    task = asyncio.create_task(doomed.run())
    await house.until(lambda: house.is_configured)
    await house.hear(doomed, seconds=15, failing=FAILING)  # two failed samples: the verdict is being said
    house.clock.advance(timedelta(seconds=2))
    house.send()
    for _ in range(50):
        await asyncio.sleep(0.001)
    await killed(task)
    async with house.owned() as owner:
        await house.read_by(owner)
    return house.told


async def test_a_checkpoint_waits_for_the_verdicts_before_it() -> None:
    assert await _breaches_after_death_in_mid_sentence(Owner) == ["opened web-down threshold"]


async def test_the_test_above_notices_a_checkpoint_that_does_not_wait() -> None:
    assert await _breaches_after_death_in_mid_sentence(SavesTooSoon) == []


class Slow:
    """A bus that stores when it is let."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.stores = asyncio.Event()

    async def say(self, message: Message) -> None:
        if not isinstance(message, ConfigApplied | Tick | OpenSet):
            await self.stores.wait()
        await self._house.speaker.say(message)


async def test_an_owner_cancelled_while_it_waits_for_the_bus_still_says_everything() -> None:
    house = House(PLAN)
    slow = Slow(house)
    owner = house.owner(checkpoint_every_s=1, speaker=slow)
    task = asyncio.create_task(owner.run())
    await house.until(lambda: house.is_configured)
    await house.hear(owner, seconds=15, failing=FAILING)
    house.clock.advance(timedelta(seconds=2))
    house.send()
    for _ in range(20):
        await asyncio.sleep(0.001)
    await killed(task)
    slow.stores.set()
    await owner.release()
    assert house.told == ["opened web-down threshold"]
    assert house.pointer.revision > 0


class Broken:
    """A bus whose client has a bug."""

    def __init__(self, house: House, is_broken: Callable[[Message], bool]) -> None:
        self._house = house
        self._is_broken = is_broken

    async def say(self, message: Message) -> None:
        if self._is_broken(message):
            raise RuntimeError("a bug in saying")
        await self._house.speaker.say(message)


async def test_a_verdict_that_could_not_be_said_ends_the_owner_before_it_is_checkpointed() -> None:
    house = House(PLAN)
    owner = house.owner(
        checkpoint_every_s=1000, speaker=Broken(house, lambda message: isinstance(message, BreachOpened))
    )
    task = asyncio.create_task(owner.run())
    await house.until(lambda: house.is_configured)
    await house.hear(owner, seconds=15, failing=FAILING)
    house.send()
    with pytest.raises(RuntimeError, match="a bug in saying"):
        await task
    assert house.problems == ["a bug: RuntimeError('a bug in saying')"]
    assert house.pointer.revision == 0
    # and the next one says it
    async with house.owned() as heir:
        await house.read_by(heir)
    assert house.told == ["opened web-down threshold"]


async def test_a_damaged_checkpoint_is_passed_over_for_the_one_before_it() -> None:
    house = House(PLAN)
    async with house.owned(checkpoint_every_s=5) as owner:
        await house.hear(owner, seconds=20, failing=FAILING)
    newest, before = house.pointer.checkpoints
    assert newest.position.sequence > before.position.sequence
    house.pointer.checkpoints[0] = replace(newest, state=newest.state[:-3])
    async with house.owned() as owner:
        await house.read_by(owner)
        await house.hear(owner, seconds=30)
    assert house.told == ["opened web-down threshold", "cleared web-down"]
    assert [one.breach.began_at for one in house.verdicts if isinstance(one, BreachOpened)] == [from_ns(at(15))]
