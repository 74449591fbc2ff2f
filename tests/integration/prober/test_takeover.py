"""Two probers of one location, as processes: they share the partitions, and one takes over when the other dies."""

import asyncio
import contextlib
import itertools
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from shared.kit.settings import environment
from shared.values import Partition
from tests.integration.prober.targets import Target
from tests.integration.prober.world import PING_KEY, Bus, Record, due_times, http_check, slice_of, until

PARTITIONS = range(6)
ROOT = Path(__file__).parents[3]


@contextlib.asynccontextmanager
async def prober_process(bus: Bus, instance: str) -> AsyncIterator[asyncio.subprocess.Process]:
    env = {
        **environment(),
        "HYPERCARE_NATS_URL": bus.server.url,
        "HYPERCARE_INSTANCE": instance,
        "HYPERCARE_PING_KEY": PING_KEY,
        "HYPERCARE_DRAIN_S": "4",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.prober", cwd=ROOT, env=env, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def speakers(records: list[Record]) -> dict[Partition, str]:
    """Who spoke last for each partition."""
    return {record.batch.partition: record.batch.prober.rpartition("-")[0] for record in records}


async def _share(bus: Bus) -> bool:
    said = speakers((await bus.log())[-40:])
    return len(said) == len(PARTITIONS) and sorted(said.values()) == ["prober-0"] * 3 + ["prober-1"] * 3


def _checks(target: Target) -> dict[str, str]:
    return {f"check-{partition}": target.url("/ok") for partition in PARTITIONS}


async def _apply(bus: Bus, target: Target) -> None:
    checks = {
        name.replace("-", "_"): http_check(url, every_ms=500, partition=at)
        for at, (name, url) in enumerate(_checks(target).items())
    }
    await bus.apply(slice_of(**checks))


async def _only(bus: Bus, instance: str, after: int) -> bool:
    """Whether this one alone has spoken for everything lately."""
    said = speakers((await bus.log())[after:])
    return len(said) == len(PARTITIONS) and set(said.values()) == {instance}


async def test_two_replicas_share_the_partitions_and_one_takes_over_from_a_killed_one(
    declared: Bus, target: Target
) -> None:
    loop = asyncio.get_running_loop()
    await _apply(declared, target)
    async with prober_process(declared, "prober-0") as first, prober_process(declared, "prober-1"):
        await until(lambda: _share(declared), limit_s=40)
        first.kill()
        killed_at = loop.time()
        await first.wait()
        seen = len(await declared.log())
        await until(lambda: _only(declared, "prober-1", seen))
        assert loop.time() - killed_at < 6  # four looks of half a second, and what a busy machine adds
        records = await declared.log()
        after = len(records)
        await until(lambda: _some_of_each(declared, after))
    for partition in PARTITIONS:
        due = due_times(await declared.log(), f"check-{partition}")
        assert max(b - a for a, b in itertools.pairwise(due)) < 6


async def _some_of_each(bus: Bus, after: int) -> bool:
    records = (await bus.log())[after:]
    return all(due_times(records, f"check-{partition}") for partition in PARTITIONS)


async def test_a_stopped_replica_hands_over_at_once_and_leaves_with_code_zero(declared: Bus, target: Target) -> None:
    loop = asyncio.get_running_loop()
    await _apply(declared, target)
    async with prober_process(declared, "prober-0") as first, prober_process(declared, "prober-1"):
        await until(lambda: _share(declared), limit_s=40)
        first.send_signal(signal.SIGTERM)
        stopped_at = loop.time()
        assert await asyncio.wait_for(first.wait(), 10) == 0
        seen = len(await declared.log())
        await until(lambda: _only(declared, "prober-1", seen))
        assert loop.time() - stopped_at < 5
