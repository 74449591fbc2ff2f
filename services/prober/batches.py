"""Samples on their way to the bus: batches per partition, one in flight each, kept until they are acknowledged.

A batch leaves after 100 ms or at 500 samples; a failed sample leaves at once, which means next in line. A partition
that is ours is spoken for at least once a second, by an empty batch if need be. While the bus is away samples are kept,
and the oldest is dropped, loudly, when there is no room left.
"""

import asyncio
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from services.prober import metrics
from services.prober.ports import Storing
from shared.contracts import Sample, SampleBatch, envelope
from shared.kit.clock import Clock
from shared.kit.errors import Transient
from shared.kit.logging import get_logger
from shared.kit.service import end_tasks
from shared.values import Location, Outcome, Partition

log = get_logger()

GATHER_S: Final = 0.1
BATCH_LIMIT: Final = 500
BEACON_S: Final = 0.9
"""A little under the second that is promised: timers are late, never early."""
RETRY_S: Final = 0.1
UNREACHABLE_AFTER_S: Final = 2.0
SAY_AGAIN_S: Final = 5.0
SOURCE: Final = "/hypercare/prober"


@dataclass(frozen=True)
class Identity:
    """Who speaks. `prober` holds a nonce of this start: batch numbers begin anew with it."""

    prober: str
    location: Location


@dataclass(frozen=True, slots=True)
class Waiting:
    """A sample that has not left, and who waits for it to be stored."""

    sample: Sample
    since_s: float
    stored: asyncio.Future[None] | None = None


@dataclass(frozen=True, slots=True)
class Leaving:
    """A batch in flight. Sent again it is the same bytes under the same id."""

    batch: SampleBatch
    data: bytes
    headers: dict[str, str]
    waiting: tuple[Waiting, ...]
    since_s: float


class Lane:
    """One partition's samples, in order, one batch at a time."""

    def __init__(self, partition: Partition, who: Identity, bus: Storing, clock: Clock) -> None:
        self.partition = partition
        self.waiting: deque[Waiting] = deque()
        self.leaving: Leaving | None = None
        self._who = who
        self._bus = bus
        self._clock = clock
        self._batches = 0
        self._is_urgent = False
        self._speaks_since_s: float | None = None
        self._last_left_s = 0.0
        self._wake = asyncio.Event()

    def add(self, sample: Sample, stored: asyncio.Future[None] | None) -> None:
        """Put a sample last in line."""
        self.waiting.append(Waiting(sample, self._clock.monotonic(), stored))
        if sample.outcome is Outcome.FAILED or stored is not None:
            self._is_urgent = True
        if self._is_urgent or len(self.waiting) in {1, BATCH_LIMIT}:
            self._wake.set()

    def speak(self, *, is_ours: bool) -> None:
        """Whether this partition is to be spoken for when there is nothing to say."""
        if is_ours and self._speaks_since_s is None:
            self._speaks_since_s = self._clock.monotonic()
        elif not is_ours:
            self._speaks_since_s = None
        self._wake.set()

    @property
    def held(self) -> int:
        """Samples not acknowledged yet."""
        return len(self.waiting) + (len(self.leaving.waiting) if self.leaving else 0)

    def _due_in_s(self) -> float | None:
        """Seconds until the next batch should leave; None when nothing is to be said."""
        if self.leaving or self._is_urgent or len(self.waiting) >= BATCH_LIMIT:
            return 0.0
        at = [self.waiting[0].since_s + GATHER_S] if self.waiting else []
        if self._speaks_since_s is not None:  # newly ours: said within 100 ms, so that a take-over shows at once
            at.append(max(self._speaks_since_s + GATHER_S, self._last_left_s + BEACON_S))
        return min(at) - self._clock.monotonic() if at else None

    async def run(self) -> None:
        """Send what is due, for ever."""
        while True:
            await self._until_due()
            await self.send()

    async def _until_due(self) -> None:
        while True:
            self._wake.clear()
            due_in_s = self._due_in_s()
            if due_in_s is not None and due_in_s <= 0:
                return
            try:
                async with asyncio.timeout(due_in_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def send(self) -> None:
        """Send the batch in flight, or make one; returns when the bus has it. Cancelled, it can be called again."""
        leaving = self.leaving = self.leaving or self._make()
        while True:
            try:
                await self._bus.publish_raw(leaving.batch.on_subject, leaving.data, leaving.headers, give_up_s=0.0)
                break
            except Transient as error:
                log.debug("batch_delayed", partition=self.partition, reason=error.reason)
                await asyncio.sleep(RETRY_S)
        self.leaving = None
        metrics.BATCHES.inc()
        metrics.BATCH_SECONDS.observe(self._clock.monotonic() - leaving.since_s)
        for one in leaving.waiting:
            if one.stored is not None and not one.stored.done():
                one.stored.set_result(None)

    def _make(self) -> Leaving:
        taken = tuple(self.waiting.popleft() for _ in range(min(BATCH_LIMIT, len(self.waiting))))
        self._is_urgent = any(one.sample.outcome is Outcome.FAILED or one.stored is not None for one in self.waiting)
        self._batches += 1
        self._last_left_s = self._clock.monotonic()
        batch = SampleBatch(
            partition=self.partition,
            location=self._who.location,
            prober=self._who.prober,
            batch=self._batches,
            samples=[one.sample for one in taken],
        )
        headers = envelope(batch, SOURCE)
        return Leaving(batch, batch.to_json(), headers, taken, self._last_left_s)


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
        """A readiness check."""
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
