"""One partition's samples on their way to the bus: in order, one batch in flight, the same bytes until acknowledged."""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final

from services.prober import metrics
from services.prober.ports import Storing
from shared.contracts import Sample, SampleBatch, envelope
from shared.kit.clock import Clock
from shared.kit.errors import Transient
from shared.kit.logging import get_logger
from shared.values import Location, Outcome, Partition

log = get_logger()

GATHER_S: Final = 0.1
BATCH_LIMIT: Final = 500
BEACON_S: Final = 0.9
"""A little under the second that is promised: timers are late, never early."""
RETRY_S: Final = 0.1
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
