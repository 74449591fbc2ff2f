"""What the engine says: verdicts on breaches, minutes, the open set, and notes for logs and metrics."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from shared.values import CheckId, Location, RuleId, ServiceId, Severity

PROBER_DOWN: Final = RuleId("prober-down")
"""The rule nobody writes: a declared location has gone silent. Its keys name no check."""
NO_CHECK: Final = CheckId("")


class Key(NamedTuple):
    """What a breach is known by. The service is part of it: a silent prober is one breach per service."""

    service: ServiceId
    rule: RuleId
    check: CheckId
    location: Location


class Cause(StrEnum):
    """What made a breach; the words of the public contract."""

    THRESHOLD = "threshold"
    NO_DATA = "no_data"
    PROBER_DOWN = "prober_down"
    CLOCK = "clock"


class ClearReason(StrEnum):
    """Why a breach ended. Only `healed` says that the world is well again."""

    HEALED = "healed"
    CONFIG = "config"
    """The rule, its check or its location is gone."""
    SUPERSEDED = "superseded"
    """The rule is written differently now and starts anew."""


class Finding(NamedTuple):
    """A condition in words and numbers, as of the last sample."""

    summary: str
    value: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Breach:
    """A breach as it stands."""

    key: Key
    rev: int
    severity: Severity
    symptom: str
    cause: Cause
    began_at_ns: int
    """`due_at` of the sample that made the condition true; for silence, the deadline that passed."""
    summary: str
    value: float | None = None
    threshold: float | None = None
    took_s: float | None = None
    """Duration of the probe at `began_at_ns`; None for silence."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A rule has become true (and has been for its `for`)."""

    breach: Breach
    at_ns: int


@dataclass(frozen=True, slots=True)
class Changed:
    """An open breach is in another band, or has another cause."""

    breach: Breach
    at_ns: int


@dataclass(frozen=True, slots=True)
class Cleared:
    """A breach has ended."""

    key: Key
    rev: int
    at_ns: int
    reason: ClearReason
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """One value over one minute, of successful samples. Percentiles interpolate linearly."""

    count: int
    min: float
    max: float
    mean: float
    p50: float
    p95: float
    p99: float
    sorted_values: tuple[float, ...] | None
    """All of them, rising, while there are at most 60."""


@dataclass(frozen=True, slots=True)
class MinuteMeasurement:
    """One minute of one check at one location."""

    service: ServiceId
    check: CheckId
    location: Location
    minute_ns: int
    """Start of the minute."""
    ok: int
    failed: int
    unknown: int
    expected: int
    """Samples that were due; for heartbeats, those that came."""
    series: dict[str, Summary]
    """A value that nobody could read in this minute is absent, never zero."""

    @property
    def count(self) -> int:
        """Samples that came."""
        return self.ok + self.failed + self.unknown

    @property
    def coverage(self) -> float:
        """The share of the minute we know about, 0 to 1; nothing expected and nothing seen is 0."""
        known = self.ok + self.failed
        return min(1.0, known / self.expected) if self.expected else float(known > 0)


@dataclass(frozen=True, slots=True)
class OpenSet:
    """Everything the partition holds open. Keys with rev <= `as_of` that are not listed are closed."""

    as_of: int
    at_ns: int
    covered: dict[ServiceId, float]
    """Per service: the share of samples since the last statement that came and were known, 0 to 1."""
    breaches: tuple[Breach, ...]


class What(StrEnum):
    """What a note is about: a log field and a metric label."""

    LATE = "late"
    """Samples not newer than one already applied: duplicates, zombies, stragglers."""
    AHEAD = "ahead"
    """Samples from the future: refused."""
    UNDECLARED = "undeclared"
    """Samples of a check or location that the plan does not have."""
    GAP = "gap"
    """The log itself was silent for `count` seconds."""
    BLIND = "blind"
    """Nothing usable came from a location for `count` seconds; its deadlines wait that much longer."""
    MISSING = "missing"
    """A check's samples stay away while its prober is well."""
    NO_VALUES = "no_values"
    """A rule's window is empty although samples arrive: it can neither fire nor heal."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something that is no verdict but must not go unsaid."""

    what: What
    at_ns: int
    location: Location | None = None
    check: CheckId | None = None
    rule: RuleId | None = None
    count: int = 1


Verdict: TypeAlias = Opened | Changed | Cleared
Output: TypeAlias = Verdict | MinuteMeasurement | OpenSet | Note
