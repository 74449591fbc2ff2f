"""The records of a partition's log, in the engine's own words. Instants are nanoseconds since the epoch, UTC."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from services.evaluator.domain.plan import PartitionPlan
from shared.values import CheckId, Location, Outcome

NOTHING_READ: Final[Mapping[str, float]] = MappingProxyType({})


class Sample(NamedTuple):
    """One look at one check. A tuple, because a partition makes thousands of them a second."""

    check: CheckId
    due_at_ns: int
    took_s: float
    outcome: Outcome
    reason: str | None = None
    values: Mapping[str, float] = NOTHING_READ
    """Phases and declared values; finite numbers only."""


@dataclass(frozen=True, slots=True)
class Samples:
    """A batch from one location; empty when its prober only says "I am here"."""

    log_time_ns: int
    location: Location
    prober: str
    samples: tuple[Sample, ...] | list[Sample]


@dataclass(frozen=True, slots=True)
class Tick:
    """A second passed without a record. `None`: the record's time is not known, and log time stays where it is."""

    log_time_ns: int | None


@dataclass(frozen=True, slots=True)
class PlanApplied:
    """From here on the partition is judged by this plan. The same plan again changes nothing."""

    log_time_ns: int
    plan: PartitionPlan


Record: TypeAlias = Samples | Tick | PlanApplied
