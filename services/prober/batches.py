"""Samples on their way to the bus: batches per partition, one in flight each, kept until they are acknowledged.

A batch leaves after 100 ms or at 500 samples; a failed sample leaves at once, which means next in line. A partition
that is ours is spoken for at least once a second, by an empty batch if need be. While the bus is away samples are kept,
and the oldest is dropped, loudly, when there is no room left.
"""

import asyncio
from collections.abc import Collection
from typing import Final

from services.prober import metrics
from services.prober.lane import Identity, Lane
from services.prober.ports import Storing
from shared.contracts import Sample
from shared.kit.clock import Clock
from shared.kit.errors import Transient
from shared.kit.logging import get_logger
from shared.kit.service import end_tasks
from shared.values import Partition

log = get_logger()

UNREACHABLE_AFTER_S: Final = 2.0
SAY_AGAIN_S: Final = 5.0


class Outlet:
    """All lanes, and the room they share."""

    def __init__(self, who: Identity, bus: Storing, clock: Clock, *, room: int) -> None:
        self._who = who
        self._bus = bus
        self._clock = clock
        self._room = room
        self._lanes: dict[Partition, Lane] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._dropped = 0
        self._dropped_said = 0
        self._said_at_s: float | None = None

    def add(self, partition: Partition, sample: Sample) -> None:
        """Hand a sample over; it leaves by itself."""
        self._put(partition, sample, None)

    async def store(self, partition: Partition, sample: Sample, *, within_s: float) -> None:
        """Hand a sample over and wait until the bus has it.

        Raises Transient when it has not after `within_s`; the sample is kept and sent all the same.
        """
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._put(partition, sample, stored)
        try:
            async with asyncio.timeout(within_s):
                await stored
        except TimeoutError as error:
            raise Transient("the bus has not stored it yet") from error

    def _put(self, partition: Partition, sample: Sample, stored: asyncio.Future[None] | None) -> None:
        if self.held >= self._room:
            self._drop_oldest()
        self._lane(partition).add(sample, stored)
        metrics.BUFFERED.set(self.held)

    def speak_for(self, partitions: Collection[Partition]) -> None:
        """These partitions are ours from now on, no others."""
        for partition in partitions:
            self._lane(partition)
        for partition, lane in self._lanes.items():
            lane.speak(is_ours=partition in partitions)

    def _lane(self, partition: Partition) -> Lane:
        lane = self._lanes.get(partition)
        if lane is None:
            lane = self._lanes[partition] = Lane(partition, self._who, self._bus, self._clock)
            if self._tasks is not None:
                self._tasks.create_task(lane.run(), name=f"lane {partition}")
        return lane

    @property
    def held(self) -> int:
        """Samples not acknowledged yet."""
        return sum(lane.held for lane in self._lanes.values())

    def _drop_oldest(self) -> None:
        """Make room for one; what is in flight stays, it may be stored already."""
        fullest = [lane for lane in self._lanes.values() if lane.waiting]
        if not fullest:
            return
        dropped = min(fullest, key=lambda lane: lane.waiting[0].sample.due_at).waiting.popleft()
        if dropped.stored is not None and not dropped.stored.done():
            dropped.stored.set_exception(Transient("dropped: the buffer is full"))
        self._dropped += 1
        metrics.DROPPED.inc()

    async def run(self) -> None:
        """Send what comes, and watch over it, for ever."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for lane in self._lanes.values():
                tasks.create_task(lane.run(), name=f"lane {lane.partition}")
            try:
                while True:
                    await asyncio.sleep(0.5)
                    self._say_trouble()
            finally:
                self._tasks = None

    def unreachable_s(self) -> float:
        """For how long the bus has not taken the oldest batch in flight; 0.0 when all is well."""
        since = [lane.leaving.since_s for lane in self._lanes.values() if lane.leaving]
        waited_s = self._clock.monotonic() - min(since) if since else 0.0
        return waited_s if waited_s > UNREACHABLE_AFTER_S else 0.0

    async def trouble(self) -> str | None:
        """A check of health: what the bus has not taken for too long."""
        waited_s = self.unreachable_s()
        if not waited_s:
            return None
        lost = f"; {self._dropped} samples dropped, the buffer is full" if self.held >= self._room else ""
        return f"bus unreachable for {waited_s:.0f}s, buffering {self.held} samples{lost}"

    def _say_trouble(self) -> None:
        metrics.BUFFERED.set(self.held)
        now_s, waited_s = self._clock.monotonic(), self.unreachable_s()
        if waited_s and (self._said_at_s is None or now_s - self._said_at_s >= SAY_AGAIN_S):
            self._said_at_s = now_s
            log.error("bus_unreachable", for_s=round(waited_s, 1), buffered=self.held, room=self._room)
        elif not waited_s and self._said_at_s is not None:
            self._said_at_s = None
            log.warning("bus_back", still_buffered=self.held, dropped_in_all=self._dropped)
        if self._dropped > self._dropped_said:
            log.error("samples_dropped", count=self._dropped - self._dropped_said, reason="the buffer is full")
            self._dropped_said = self._dropped

    async def flush(self, within_s: float) -> int:
        """Send all that is held, with nothing else running; returns how many samples had to be left behind."""
        sending = [asyncio.create_task(_empty(lane)) for lane in self._lanes.values() if lane.held]
        if sending:
            _, late = await asyncio.wait(sending, timeout=within_s)
            await end_tasks(late)
        return self.held


async def _empty(lane: Lane) -> None:
    while lane.held:
        await lane.send()
