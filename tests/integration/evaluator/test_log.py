"""A partition's log on a real bus: whole, in order, and never waited for in vain."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from services.evaluator.adapters.jetstream_log import JetStreamLog
from services.evaluator.ports import RawRecord
from shared.values import Partition
from tests.integration.evaluator.conftest import login
from tests.integration.evaluator.stage import Stage

LARGE = b"x" * 400_000


@pytest.fixture
async def log(idle_stage: Stage) -> AsyncIterator[JetStreamLog]:
    client = await login(idle_stage.server, "evaluator")
    yield JetStreamLog(client, client.jetstream(timeout=5), Partition(0))
    await client.close()


async def store(stage: Stage, *bodies: bytes, partition: int = 0) -> None:
    for body in bodies:
        await stage.publisher.publish_raw(f"hc.samples.v1.{partition}.main", body, {"ce-type": "x"})


async def read(log: JetStreamLog, count: int, *, after: RawRecord | None = None) -> list[RawRecord]:
    """So many records after one, or from the beginning."""
    start = await log.where(None)
    if after is not None:
        start = await log.where(replace(start, sequence=after.sequence, record_ns=after.time_ns))
    found: list[RawRecord] = []
    async with contextlib.aclosing(log.read(start)) as records:
        async for record in records:
            found += [record] if record is not None else []
            if len(found) == count:
                break
    return found


async def test_a_log_of_several_batches_is_read_whole_in_order_and_says_how_much_is_left(
    idle_stage: Stage, log: JetStreamLog
) -> None:
    # given more than a batch holds by number, more than it holds by size, and another partition's records between
    bodies = [b"%d" % number for number in range(600)] + [LARGE + b"%d" % number for number in range(6)]
    for body in bodies:
        await store(idle_stage, body)
        await store(idle_stage, b"not ours", partition=1)
    found = await read(log, len(bodies))
    assert [one.data for one in found] == bodies
    assert [one.sequence for one in found] == list(range(1, 2 * len(bodies), 2))
    assert [one.behind for one in found] == list(reversed(range(len(bodies))))


async def test_a_reader_goes_on_after_the_record_it_had_to_the_nanosecond(idle_stage: Stage, log: JetStreamLog) -> None:
    await store(idle_stage, b"a", b"b", b"c")
    first, second, third = await read(log, 3)
    stored = [(one.sequence, one.time_ns) for one, _ in await idle_stage.raw("SAMPLES")]
    assert [(one.sequence, one.time_ns) for one in (first, second, third)] == stored
    assert [one.data for one in await read(log, 2, after=first)] == [b"b", b"c"]


async def test_a_place_that_does_not_prove_true_is_gone_on_from_by_time(idle_stage: Stage, log: JetStreamLog) -> None:
    await store(idle_stage, b"a", b"b", b"c")
    _, second, _ = await read(log, 3)
    start = await log.where(None)
    # when the record at that place is another one, and when nothing has come so far
    for elsewhere in (1, 99):
        place = await log.where(replace(start, sequence=elsewhere, record_ns=second.time_ns))
        async with contextlib.aclosing(log.read(place)) as records:
            found = [await anext(records) for _ in range(2)]
        assert [one and one.data for one in found] == [b"b", b"c"]


async def test_a_reader_at_the_end_says_so_and_takes_what_comes(idle_stage: Stage, log: JetStreamLog) -> None:
    async with contextlib.aclosing(log.read(await log.where(None))) as records:
        assert await anext(records) is None
        for body in (b"a", b"b"):
            await store(idle_stage, body)
            while (record := await anext(records)) is None:
                pass
            assert (record.data, record.behind) == (body, 0)
        assert await anext(records) is None


async def test_a_long_replay_lets_others_have_their_turn(idle_stage: Stage, log: JetStreamLog) -> None:
    await store(idle_stage, *[b"x"] * 300)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    seen: Counter[int] = Counter()
    async with contextlib.aclosing(log.read(await log.where(None))) as records:
        while seen.total() < 300:
            await anext(records)
            seen[turns] += 1
    task.cancel()
    assert max(seen.values()) <= 50
