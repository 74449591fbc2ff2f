"""The evaluator's whole outside in memory: the same promises as the bus's, for tests and for back-tests of a log."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Final

from services.evaluator.domain.plan import PartitionPlan
from services.evaluator.ports import Checkpoint, LostPartition, Position, RawRecord
from shared.contracts import ConfigApplied, Message, Tick
from shared.kit.clock import Clock, to_ns
from shared.kit.errors import Transient
from shared.values import Partition

KEPT: Final = 2


class MemoryLog:
    """One partition's log. Readers may be many; a message id is stored once."""

    def __init__(self, clock: Clock, *, name: str = "log", expires_s: float = 0.01) -> None:
        self._clock = clock
        self.name = name
        self._expires_s = expires_s
        """How long a reader waits at the end before it says so."""
        self.records: list[RawRecord] = []
        self._ids: set[str] = set()
        self._grown = asyncio.Event()

    def append(self, message: Message) -> None:
        """Store a message at the clock's time."""
        if message.msg_id not in self._ids:
            self._ids.add(message.msg_id)
            self.append_raw(message.ce_type, message.to_json())

    def append_raw(self, kind: str | None, data: bytes) -> None:
        """Store bytes under a type."""
        self.records.append(RawRecord(len(self.records) + 1, to_ns(self._clock.now()), kind, data))
        self._grown.set()

    def recreate(self, name: str) -> None:
        """Delete the log and make another one under another birthday; readers of the old one fail."""
        self.name, self.records, self._ids = name, [], set()
        self._grown.set()

    async def where(self, position: Position | None) -> Position:
        """See the port."""
        if position is None or position.sequence == 0:
            return Position(self.name, 0, 0)
        is_there = position.sequence < 0 or self._time_of(position.sequence) == position.record_ns
        if position.log == self.name and is_there:
            return position
        return Position(self.name, -1, position.record_ns)

    def _time_of(self, sequence: int) -> int | None:
        return self.records[sequence - 1].time_ns if sequence <= len(self.records) else None

    async def read(self, after: Position) -> AsyncGenerator[RawRecord | None, None]:
        """See the port."""
        at = after.sequence if after.sequence >= 0 else sum(one.time_ns < after.record_ns for one in self.records)
        while True:
            if self.name != after.log:
                raise Transient("the log was deleted")
            if at < len(self.records):
                record = self.records[at]
                at += 1
                behind = len(self.records) - at
                yield RawRecord(record.sequence, record.time_ns, record.kind, record.data, behind)
            else:
                yield None
                await self._wait(at)

    async def _wait(self, at: int) -> None:
        self._grown.clear()
        if at >= len(self.records):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._expires_s):
                    await self._grown.wait()


class MemoryPointer:
    """What two owners of a partition share: the pointer and the objects behind it."""

    def __init__(self) -> None:
        self.revision = 0
        self.checkpoints: list[Checkpoint] = []


class MemoryCheckpoints:
    """One owner's view of a pointer."""

    def __init__(self, pointer: MemoryPointer) -> None:
        self._pointer = pointer
        self._known = 0

    async def load(self) -> list[Checkpoint]:
        """See the port."""
        self._known = self._pointer.revision
        return list(self._pointer.checkpoints)

    async def save(self, checkpoint: Checkpoint) -> None:
        """See the port."""
        if self._known != self._pointer.revision:
            raise LostPartition("checkpointed by somebody else")
        self._pointer.revision = self._known = self._known + 1
        self._pointer.checkpoints = [checkpoint, *self._pointer.checkpoints][:KEPT]


class MemoryPlans:
    """Plans under their digest; one that is not there yet may arrive."""

    def __init__(self, *plans: PartitionPlan) -> None:
        self._plans = {plan.digest: plan for plan in plans}

    def store(self, plan: PartitionPlan) -> None:
        """Let a plan arrive."""
        self._plans[plan.digest] = plan

    async def plan(self, digest: str, revision: int, partition: Partition) -> PartitionPlan:
        """See the port."""
        found = self._plans.get(digest)
        if found is None or (found.revision, found.partition) != (revision, partition):
            raise Transient(f"slice {digest} is not in the store")
        return found


class MemorySpeaker:
    """Stores what is said, each id once; control records go to the log they are of."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self.said: dict[str, Message] = {}

    async def say(self, message: Message) -> None:
        """See the port."""
        if isinstance(message, Tick | ConfigApplied):
            self._log.append(message)
        else:
            self.said.setdefault(message.msg_id, message)
