"""Three nodes, every stream on all of them, and each node lost in turn under load: late is allowed, lost is not."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from shared.contracts import BreachCleared, BreachOpened, Cause, OpenSet
from shared.contracts.streams import RECEIPTS
from shared.values import Partition
from tests.fakes.cluster import Cluster, Node
from tests.faults.crew import PARTITIONS, Crew, working_crew
from tests.faults.light import Light, running_light
from tests.faults.outside import say, until

SILENT_S: Final = 25.0
OUTAGE_S: Final = 15.0


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster() as cluster:
        yield cluster


@pytest.fixture
def light() -> Iterator[Light]:
    with running_light() as light:
        yield light


@pytest.fixture
async def crew(cluster: Cluster, light: Light, tmp_path: Path) -> AsyncIterator[Crew]:
    async with working_crew(cluster, light, tmp_path) as crew:
        yield crew


def lame_duck(node: Node) -> None:
    """Send it off in order, and wait until it has ended."""
    node.lame_duck()
    node.wait_for_end()


@pytest.mark.timeout(600)
async def test_each_node_killed_in_turn_under_load_loses_nothing_and_reorders_nothing(crew: Crew) -> None:
    await each_node_in_turn(crew, Node.kill, Node.start)
    await everything_is_as_it_should_be(crew)
    await samples_are_in_order_without_gap(crew)


@pytest.mark.timeout(600)
async def test_each_node_restarted_by_lame_duck_under_load_loses_nothing_and_reorders_nothing(crew: Crew) -> None:
    await each_node_in_turn(crew, lame_duck, Node.start)
    await everything_is_as_it_should_be(crew)
    await samples_are_in_order_without_gap(crew)


@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the client drops such a connection
async def test_each_node_silent_in_turn_without_a_word_loses_nothing_and_reorders_nothing(crew: Crew) -> None:
    """As when a machine loses its power or its network: connections stay, and nothing comes through them.

    A prober that was connected to it is taken for dead and its checks are taken over, and then it sends what it kept.
    """
    await each_node_in_turn(crew, Node.pause, Node.resume, for_s=SILENT_S)
    await everything_is_as_it_should_be(crew)


async def each_node_in_turn(
    crew: Crew, go: Callable[[Node], None], come_back: Callable[[Node], None], for_s: float = 0.0
) -> None:
    """The targets break as a node goes, and heal when that has been heard; then it comes back and catches up."""
    for count, node in enumerate(crew.cluster.nodes.values(), 1):
        led, served = await crew.led_by(node.name), node.serves()
        went_at = time.monotonic()
        crew.light.answer_with(500)
        going = asyncio.create_task(asyncio.to_thread(go, node))
        await crew.read(BreachOpened, count)
        say(f"  {go.__name__} {node.name}, leader of {', '.join(led) or 'nothing'}, serving {', '.join(served)}:")
        say(f"    every breach was read {time.monotonic() - went_at:.1f} s after the targets broke")
        crew.light.answer_with(200)
        await crew.read(BreachCleared, count)
        await going
        await asyncio.sleep(max(0.0, went_at + for_s - time.monotonic()))  # the outage itself, not a wait for anything
        say(f"    longest wait of a publish {crew.writer.longest_gap_s(went_at):.2f} s")
        say(f"    longest silence of a consumer {crew.reader.longest_gap_s(went_at):.2f} s")
        await asyncio.to_thread(come_back, node)
        await asyncio.to_thread(crew.cluster.until_whole)


@pytest.mark.timeout(600)
async def test_all_nodes_killed_and_started_again_lose_nothing(crew: Crew) -> None:
    went_at = time.monotonic()
    crew.light.answer_with(500)
    for node in crew.cluster.nodes.values():
        node.kill()
    await asyncio.sleep(OUTAGE_S)  # the outage itself, not a wait for anything
    for node in crew.cluster.nodes.values():
        await asyncio.to_thread(node.start)
    back_at = time.monotonic()
    await crew.read(BreachOpened, 1)
    say(f"  all killed for {OUTAGE_S:g} s: all breaches read {time.monotonic() - back_at:.1f} s after the last start")
    say(f"    longest wait of a publish {crew.writer.longest_gap_s(went_at):.2f} s")
    crew.light.answer_with(200)
    await crew.read(BreachCleared, 1)
    await everything_is_as_it_should_be(crew)
    await samples_are_in_order_without_gap(crew)


async def everything_is_as_it_should_be(crew: Crew) -> None:
    """Nothing lost, nothing twice, nothing in the wrong order, nobody falsely accused, nobody beyond his rights."""
    await verdicts_are_those_of_the_log(crew)
    await nobody_was_accused_of_silence(crew)
    await samples_are_kept(crew)
    await writes_are_kept_in_order(crew)
    await reads_are_complete(crew)
    for node in crew.cluster.nodes.values():
        assert "Violation" not in node.log_path.read_text(encoding="utf-8", errors="replace"), node.name


async def verdicts_are_those_of_the_log(crew: Crew) -> None:
    """What is stored is, id for id, what an engine that nobody disturbed says to the recorded log."""

    async def look() -> bool | None:
        said = [one for partition in range(PARTITIONS) for one in await crew.stage.replay(partition)]
        expected = sorted(one.msg_id for one in said if not isinstance(one, OpenSet))
        stored = await crew.stage.raw("BREACHES") + await crew.stage.raw("MEASUREMENTS")
        return True if sorted(msg_id for _, msg_id in stored) == expected else None

    await until(look, "every verdict of the log and no other")
    revs = defaultdict(list)
    for one in await crew.stage.breaches():
        revs[one.key.text].append(one.rev)
    assert all(found == sorted(set(found)) for found in revs.values()), revs


async def nobody_was_accused_of_silence(crew: Crew) -> None:
    causes = {one.breach.cause for one in await crew.stage.breaches() if isinstance(one, BreachOpened)}
    assert causes == {Cause.THRESHOLD}, causes


async def samples_are_kept(crew: Crew) -> None:
    """Each prober's batches count up by one, and each check was looked at in each second."""
    batches: dict[tuple[str, Partition], list[int]] = defaultdict(list)
    for one in await crew.log():
        batches[one.prober, one.partition].append(one.batch)
    for who, numbers in batches.items():
        assert numbers == list(range(1, len(numbers) + 1)), (who, numbers)
    for check, times in (await _due_times(crew)).items():
        gaps = [a for a, b in pairwise(sorted(set(times))) if b - a != timedelta(seconds=1)]
        assert not gaps, (check, gaps)


async def samples_are_in_order_without_gap(crew: Crew) -> None:
    """As long as no checks change hands: one sample a second, in order."""
    for check, times in (await _due_times(crew)).items():
        assert times == sorted(set(times)), check


async def _due_times(crew: Crew) -> dict[str, list[datetime]]:
    due: dict[str, list[datetime]] = defaultdict(list)
    for one in await crew.log():
        for sample in one.samples:
            if sample.due_at >= crew.since:
                due[sample.check].append(sample.due_at)
    return due


async def writes_are_kept_in_order(crew: Crew) -> None:
    """What was acknowledged is stored once, at the place that was acknowledged, in the order written."""
    acknowledged = [(place, msg_id) for _, place, msg_id in list(crew.writer.acknowledged)]
    stored = [(record.sequence, msg_id) for record, msg_id in await crew.stage.raw(RECEIPTS.name)]
    assert stored[: len(acknowledged)] == acknowledged
    say(f"  {len(acknowledged)} writes acknowledged, all kept in order")


async def reads_are_complete(crew: Crew) -> None:
    """Every message was handed to the consumer; again or late only where an acknowledgement was lost on the way."""
    written = [msg_id for _, _, msg_id in list(crew.writer.acknowledged)]

    async def look() -> bool | None:
        return True if set(written) <= set(crew.reader.receipts) else None

    await until(look, "everything written has been read")
    firsts = list(dict.fromkeys(crew.reader.receipts))
    late = sum(b < a for a, b in pairwise(firsts))
    say(f"  {len(firsts)} read, {len(crew.reader.receipts) - len(firsts)} of them again, {late} overtaken")
    told = {one.event_id for one in crew.reader.breaches}
    assert told >= {one.event_id for one in await crew.stage.breaches()}
