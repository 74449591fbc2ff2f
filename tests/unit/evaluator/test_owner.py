"""An owner drives its engine along the log: through silence, gaps, damaged records, rivals and deaths."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from services.evaluator.ports import LostPartition
from shared.contracts import BreachOpened, ConfigApplied, OpenSet, SampleBatch, Tick
from shared.values import Location, Outcome
from tests.unit.evaluator.owning import House, killed, marker, wanted_of
from tests.unit.evaluator.story import check, down, plan, silent

PLAN = plan(down(), silent(), checks=[check(every=5, timeout=2, grace=5)], prober_grace=10)
FAILING = range(10, 30)


def kinds_of(house: House) -> list[str]:
    names = {one.ce_type: one.__name__ for one in (SampleBatch, Tick, ConfigApplied)}
    return [names.get(record.kind or "", "other") for record in house.log.records]


async def test_it_marks_the_log_then_judges_it() -> None:
    house = House(PLAN)
    async with house.owned() as owner:
        await house.hear(owner, seconds=70, failing=FAILING)
    assert kinds_of(house)[0] == "ConfigApplied"
    assert house.told == ["opened web-down threshold", "cleared web-down"]
    assert [(one.ok, one.failed, one.expected) for one in house.minutes] == [(7, 4, 12)]


async def test_a_second_without_a_record_gets_a_tick_and_none_is_made_while_records_come() -> None:
    house = House(PLAN)
    async with house.owned() as owner:
        await house.hear(owner, seconds=5)
        assert "Tick" not in kinds_of(house)
        await house.silence(owner, 3)
    assert kinds_of(house)[-3:] == ["Tick"] * 3


async def test_a_partition_without_checks_is_neither_marked_nor_ticked() -> None:
    house = House(replace(PLAN, checks=(), rules=()))
    house.wanted = replace(house.wanted, used=frozenset())
    owner = house.owner()
    task = asyncio.create_task(owner.run())
    for _ in range(20):
        house.clock.advance(timedelta(seconds=1))
        await asyncio.sleep(0.001)
    await killed(task)
    assert house.log.records == []


async def test_a_silent_prober_is_down_by_ticks_alone_and_its_checks_are_not() -> None:
    house = House(PLAN)
    async with house.owned() as owner:
        await house.hear(owner, seconds=5)
        await house.silence(owner, 30)
        assert house.told == ["opened prober-down prober_down"]
        await house.hear(owner, seconds=5)
    assert house.told == ["opened prober-down prober_down", "cleared prober-down"]


@pytest.mark.parametrize("off_s", [3600, -3600])
async def test_a_prober_whose_clock_is_an_hour_off_is_said_to_be_so_and_clears_when_it_is_mended(off_s: int) -> None:
    house = House(PLAN)
    async with house.owned() as owner:
        await house.hear(owner, seconds=5)
        for second in range(6, 30):
            house.clock.advance(timedelta(seconds=1))
            house.send(house.sample(second + off_s))
            await house.read_by(owner)
        assert house.told == ["opened prober-down clock"]
        await house.hear(owner, seconds=10)
    assert house.told == ["opened prober-down clock", "cleared prober-down"]


async def test_a_week_in_which_nothing_was_recorded_accuses_nobody() -> None:
    house = House(PLAN)
    async with house.owned() as owner:
        await house.hear(owner, seconds=12, failing=range(5, 8))
    # given a laptop that is shut for a week, with a failed sample before it
    house.clock.advance(timedelta(days=7))
    async with house.owned() as owner:
        house.send(house.sample(12 + 7 * 86_400))
        await house.read_by(owner)
        await house.silence(owner, 8)
        assert house.told == []
        # and then silence counts again, from the gap's end and a grace on
        await house.silence(owner, 30)
    assert house.told == ["opened prober-down prober_down"]


async def test_a_log_that_was_deleted_and_made_anew_is_gone_on_with_by_time_as_after_a_gap() -> None:
    house = House(PLAN)
    async with house.owned() as owner:
        await house.hear(owner, seconds=12, failing=range(5, 12))
        assert house.told == ["opened web-down threshold"]
        house.clock.advance(timedelta(seconds=60))
        house.log.recreate("another")
        await house.until(lambda: owner.position.log == "another")
        await house.silence(owner, 3)
        assert house.told == ["opened web-down threshold"]
        await house.hear(owner, seconds=10)
    assert house.told == ["opened web-down threshold", "cleared web-down"]
    assert any("deleted" in why for why in house.problems)


async def test_a_checkpoint_of_another_log_is_gone_on_with_by_time() -> None:
    house = House(PLAN)
    async with house.owned() as owner:
        await house.hear(owner, seconds=12, failing=range(5, 12))
    house.clock.advance(timedelta(seconds=60))
    house.log.recreate("another")
    async with house.owned() as owner:
        await house.hear(owner, seconds=3)
        await house.silence(owner, 5)
        assert house.told == ["opened web-down threshold"]
        await house.hear(owner, seconds=10)
    assert house.told == ["opened web-down threshold", "cleared web-down"]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (SampleBatch.ce_type, b"\xff not JSON"),
        (SampleBatch.ce_type, b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        (SampleBatch.ce_type, b'{"partition": 3, "location": "main", "prober": "p", "batch": 1, "samples": [{}]}'),
        (ConfigApplied.ce_type, b"{}"),
        ("hypercare.from-the-future.v9", b"{}"),
        (None, b""),
    ],
    ids=["no JSON", "endless nesting", "a field missing", "half a marker", "unknown type", "no type"],
)
async def test_a_record_that_cannot_be_read_moves_time_and_nothing_else(kind: str | None, data: bytes) -> None:
    house = House(PLAN)
    async with house.owned() as owner:
        await house.hear(owner, seconds=7, failing=FAILING)
        house.log.append_raw(kind, data)
        await house.read_by(owner)
        await house.hear(owner, seconds=20, failing=FAILING)
    assert house.told == ["opened web-down threshold"]
    assert house.problems == []


async def test_a_marker_waits_for_its_slice_and_what_comes_after_it_waits_too() -> None:
    house = House(PLAN)
    later = replace(PLAN, revision=2, digest="digest-2", rules=())
    async with house.owned() as owner:
        await house.hear(owner, seconds=12, failing=range(5, 12))
        assert house.told == ["opened web-down threshold"]
        house.log.append(marker(later))
        house.send()
        await house.until(lambda: any("digest-2" in why for why in house.problems))
        assert owner.position.sequence == len(house.log.records) - 2
        house.plans.store(later)
        house.wanted = wanted_of(later)
        await house.read_by(owner)
    assert house.told == ["opened web-down threshold", "cleared web-down"]


async def test_a_replica_that_has_not_heard_of_a_newer_revision_does_not_bring_the_old_one_back() -> None:
    house = House(PLAN)
    later = replace(PLAN, revision=2, digest="digest-2", rules=())
    house.plans.store(later)
    house.log.append(marker(PLAN))
    house.log.append(marker(later))
    # given an owner that starts on that log and has taken only the first of the two
    async with house.owned() as owner:
        await house.read_by(owner)
        await house.hear(owner, seconds=3)
        assert kinds_of(house)[:3] == ["ConfigApplied", "ConfigApplied", "SampleBatch"]
        # when somebody marks the old one all the same
        house.log.append(marker(PLAN).model_copy(update={"hour": 1}))
        await house.hear(owner, seconds=20, failing=FAILING)
    assert house.told == []


async def test_what_is_said_names_the_revision_it_was_judged_under() -> None:
    house = House(PLAN)
    later = replace(PLAN, revision=2, digest="digest-2")
    house.plans.store(later)
    async with house.owned() as owner:
        await house.hear(owner, seconds=12, failing=range(5, 12))
        house.wanted = wanted_of(later)
        await house.hear(owner, seconds=30, failing=range(30, 40))
    opened = [one.revision for one in house.verdicts if isinstance(one, BreachOpened)]
    stated = [one.revision for one in house.speaker.said.values() if isinstance(one, OpenSet)]
    assert (opened, stated) == ([1, 2], [1, 2])


async def test_the_marker_is_restated_every_hour() -> None:
    house = House(PLAN)
    async with house.owned() as owner:
        await house.hear(owner, seconds=2)
        house.clock.advance(timedelta(hours=1))
        await house.hear(owner, seconds=2)
    assert kinds_of(house).count("ConfigApplied") == 2


async def test_two_owners_for_ten_seconds_say_what_one_would_and_the_one_that_comes_second_lets_go() -> None:
    alone, both = House(PLAN), House(PLAN)
    async with alone.owned() as owner:
        await alone.hear(owner, seconds=40, failing=FAILING)
    async with both.owned(checkpoint_every_s=1000) as first:
        await both.hear(first, seconds=15, failing=FAILING)
        await first.checkpoint()
        second = both.owner()
        task = asyncio.create_task(second.run())
        await both.until(lambda: second.position == first.position)
        await both.hear(first, second, seconds=10, failing=FAILING)
        await second.checkpoint()
        with pytest.raises(LostPartition):
            await first.checkpoint()
        await both.hear(first, second, seconds=15, failing=FAILING)
        await killed(task)
    assert list(both.speaker.said) == list(alone.speaker.said)


async def test_an_owner_frozen_for_a_minute_wakes_and_changes_nothing() -> None:
    alone, both = House(PLAN), House(PLAN)
    async with alone.owned() as owner:
        await alone.hear(owner, seconds=100, failing=FAILING)
    # given an owner that stops where it is (here: it ends, and its state stays) while another takes over
    frozen = both.owner(checkpoint_every_s=1000)
    task = asyncio.create_task(frozen.run())
    await both.until(lambda: both.is_configured)
    await both.hear(frozen, seconds=12, failing=FAILING)
    await killed(task)
    async with both.owned() as second:
        await both.hear(second, seconds=60, failing=FAILING)
        # when it goes on from its own state
        reading = asyncio.create_task(frozen._read())  # what `run` does when a freeze has ended
        await both.read_by(frozen)
        await both.hear(frozen, second, seconds=28, failing=FAILING)
        await killed(reading)
    assert list(both.speaker.said) == list(alone.speaker.said)


async def test_a_batch_of_a_location_nobody_declared_changes_nothing() -> None:
    house = House(PLAN)
    async with house.owned() as owner:
        await house.hear(owner, seconds=4)
        house.send(house.sample(5, Outcome.FAILED), location=Location("mars"))
        await house.hear(owner, seconds=20)
    assert house.told == []
