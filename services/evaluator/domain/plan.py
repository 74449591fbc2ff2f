"""What one partition is judged by: checks and rules, with every default filled in. All spans in nanoseconds."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final

from shared.values import CheckId, Location, Partition, RuleId, ServiceId, Severity

SECOND_NS: Final = 1_000_000_000
MINUTE_NS: Final = 60 * SECOND_NS

TOTAL: Final = "total"
"""The series every http check has: how long the probe took, in seconds."""


class CheckKind(StrEnum):
    """How a check is looked at: by us on a grid, or by others who ping us."""

    HTTP = "http"
    HEARTBEAT = "heartbeat"


class Aggregate(StrEnum):
    """What is computed over a window."""

    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    P50 = "p50"
    P95 = "p95"
    P99 = "p99"


class Direction(StrEnum):
    """Which side of a threshold is bad. Both are strict: a value equal to its threshold is good."""

    ABOVE = "above"
    BELOW = "below"


@dataclass(frozen=True, slots=True)
class CheckPlan:
    """One check. A sample is missing after `interval + timeout + grace` without one (a heartbeat has no timeout)."""

    check: CheckId
    service: ServiceId
    kind: CheckKind
    interval_ns: int
    timeout_ns: int
    grace_ns: int
    locations: tuple[Location, ...]
    series: tuple[str, ...]
    """The values measured minute by minute: `total` and what the check declares."""

    @property
    def allowance_ns(self) -> int:
        """How long after its `due_at` a sample may still arrive."""
        return self.timeout_ns + self.grace_ns

    @property
    def patience_ns(self) -> int:
        """How long after a sample's `due_at` we still know how the check is doing."""
        return self.interval_ns + self.timeout_ns + self.grace_ns


@dataclass(frozen=True, slots=True)
class BandPlan:
    """One severity and where it begins. Rules without a threshold have one band with threshold 0 and no text."""

    severity: Severity
    threshold: float = 0.0
    text: str = ""
    """The threshold as its author wrote it, for people: `500ms`."""


@dataclass(frozen=True, slots=True)
class FailedPlan:
    """True while at least `at_least` of the last `of_last` known samples failed."""

    at_least: int
    of_last: int
    ok_in_a_row: int | None = None
    """Good samples in a row that end a breach; None: as soon as the condition is false."""


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """An aggregate of one value over the half-open window (t - over, t]."""

    aggregate: Aggregate
    value: str
    """`total`, a phase, or a value that the check reads."""
    unit: str
    over_ns: int
    direction: Direction
    margin: float = 0.0
    """0.1: a band is left only when the value is 10 % better than what entered it."""


@dataclass(frozen=True, slots=True)
class RulePlan:
    """One rule on one check. `failed` or `window` is set; neither means `no_data`."""

    rule: RuleId
    check: CheckId
    service: ServiceId
    symptom: str
    bands: tuple[BandPlan, ...]
    """Worst severity first; exactly one for `failed` and `no_data`."""
    for_ns: int = 0
    keep_firing_ns: int = 0
    failed: FailedPlan | None = None
    window: WindowPlan | None = None


@dataclass(frozen=True)
class PartitionPlan:
    """All that a partition is judged by from one record of the log on."""

    partition: Partition
    revision: int
    digest: str
    checks: tuple[CheckPlan, ...]
    rules: tuple[RulePlan, ...]
    locations: tuple[Location, ...]
    """The declared ones: their silence means "prober down"."""
    prober_grace_ns: int
    restate_ns: int = MINUTE_NS
    """Log time between two statements of the open set."""

    @cached_property
    def services(self) -> tuple[ServiceId, ...]:
        """The services that have checks here, in order of name."""
        return tuple(sorted({check.service for check in self.checks}))
