"""What the evaluator needs from outside, in its own words."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from services.evaluator.domain.plan import PartitionPlan
from shared.contracts import Message
from shared.values import Partition


@dataclass(frozen=True)
class Position:
    """A place in a log: sequence 0 is before the first record. The other two prove that it is still that log."""

    log: str
    """When the stream was created: another one under the same name counts from 1 again."""
    sequence: int
    record_ns: int
    """The bus's timestamp of that record."""


@dataclass(frozen=True)
class RawRecord:
    """One record as stored."""

    sequence: int
    time_ns: int
    kind: str | None
    """The CloudEvents type."""
    data: bytes
    behind: int = 0
    """How many more were stored when this one was handed over; 0: the log's end."""


@dataclass(frozen=True)
class Checkpoint:
    """A state and the position it is of."""

    position: Position
    state: bytes


class LostPartition(Exception):  # an event rather than a mistake
    """Somebody else's checkpoint was there first: this owner lets go."""


class Log(Protocol):
    """The recorded log of one partition."""

    def read(self, after: Position) -> AsyncGenerator[RawRecord | None, None]:
        """Records after a position, in order, for ever; None at the log's end, about once a second.

        Raises Transient.
        """
        ...

    async def where(self, position: Position | None) -> Position:
        """The position to go on from: the same if it proves true, else the nearest by time. Raises Transient."""
        ...


class Checkpoints(Protocol):
    """The last two checkpoints of a partition behind one pointer."""

    async def load(self) -> list[Checkpoint]:
        """Newest first; empty for a partition that has none. Raises Transient."""
        ...

    async def save(self, checkpoint: Checkpoint) -> None:
        """Raises LostPartition when the pointer moved under us, Transient when the bus is away."""
        ...


class Plans(Protocol):
    """Configuration by digest."""

    async def plan(self, digest: str, revision: int, partition: Partition) -> PartitionPlan:
        """What a partition is judged by under a revision. Raises Transient until the bus has it."""
        ...


class Speaker(Protocol):
    """Says messages on the bus; ends only when they are stored."""

    async def say(self, message: Message) -> None:
        """Publish for as long as it takes."""
        ...
