"""What the evaluator concludes: breaches opened, changed and cleared, the open set, and minute measurements."""

from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.contracts.base import Event, Message, Subject
from shared.contracts.samples import Finite
from shared.values import CheckId, Location, Partition, RuleId, ServiceId, Severity, stable_id

Rev = Annotated[int, Field(ge=1)]
"""Grows with every verdict on a key (the log's time in ns, or one more than the last); readers keep the newest."""


def evaluator_source(partition: Partition) -> str:
    """Return the source that owns a partition's breaches; only it may clear them."""
    return f"evaluator-{partition}"


class Cause(StrEnum):
    """What made a breach: a rule's threshold, missing data, or our own prober's silence or clock (ADR 0002)."""

    THRESHOLD = "threshold"
    NO_DATA = "no_data"
    PROBER_DOWN = "prober_down"
    CLOCK = "clock"


class ClearReason(StrEnum):
    """Why a breach ended. Only `healed` may resolve an incident as healed."""

    HEALED = "healed"
    CONFIG = "config"


class BreachKey(BaseModel):
    """One rule, for one check, at one location. `check` is empty for a silent prober."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    rule: RuleId
    check: CheckId
    location: Location

    @property
    def text(self) -> str:
        """One word for logs and columns: `web-down/web-health/main`."""
        return f"{self.rule}/{self.check}/{self.location}"

    @property
    def is_silent_prober(self) -> bool:
        """Whether this says that a location is silent; every service it watches has such a breach."""
        return not self.check


class OpenBreach(BaseModel):
    """A breach as it stands: also one row of an open set."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: BreachKey
    rev: Rev
    service: ServiceId
    severity: Severity
    symptom: str
    """What incidents are grouped by: the rule's name unless the rule says otherwise."""
    cause: Cause
    began_at: AwareDatetime
    """UTC: the `due_at` of the sample that made the rule true (for silence: the deadline that passed)."""
    summary: str
    """One line for people: `p95 of total over 5m is 1.24 s, above 1 s`."""
    value: Finite | None = None
    threshold: Finite | None = None


class BreachEvent(Event):
    """Common to the three verdicts; `event_id` is hash(source, key, kind, rev)."""

    source: str
    service: ServiceId
    key: BreachKey
    rev: Rev

    @classmethod
    def id_of(cls, source: str, service: ServiceId, key: BreachKey, rev: int) -> str:
        """Name the verdict: two owners that say the same thing say it once."""
        return stable_id(cls.ce_type, source, service, key.text, rev)


class BreachOpened(BreachEvent):
    """A rule's condition has become true for one check at one location."""

    subject: ClassVar[Subject] = Subject("hc.breaches.v1.{source}.{service}.opened")
    ce_type: ClassVar[str] = "hypercare.breach.opened.v1"

    breach: OpenBreach
    sample_took_s: Finite | None = None
    """Duration of the probe that made the rule true: `began_at + sample_took_s` is when the probe ended."""
    revision: int | None = None
    """Of the configuration it was judged under: a reader that has not come to it yet waits for it a moment."""

    @classmethod
    def of(
        cls,
        source: str,
        breach: OpenBreach,
        occurred_at: AwareDatetime,
        took_s: float | None = None,
        revision: int | None = None,
    ) -> Self:
        """Build the event around a breach."""
        return cls(
            event_id=cls.id_of(source, breach.service, breach.key, breach.rev),
            occurred_at=occurred_at,
            source=source,
            service=breach.service,
            key=breach.key,
            rev=breach.rev,
            breach=breach,
            sample_took_s=took_s,
            revision=revision,
        )


class BreachChanged(BreachOpened):
    """An open breach has moved to another band of severity."""

    subject: ClassVar[Subject] = Subject("hc.breaches.v1.{source}.{service}.changed")
    ce_type: ClassVar[str] = "hypercare.breach.changed.v1"


class BreachCleared(BreachEvent):
    """A breach has ended, for the reason given."""

    subject: ClassVar[Subject] = Subject("hc.breaches.v1.{source}.{service}.cleared")
    ce_type: ClassVar[str] = "hypercare.breach.cleared.v1"

    reason: ClearReason
    summary: str = ""

    @classmethod
    def of(
        cls,
        source: str,
        service: ServiceId,
        key: BreachKey,
        rev: int,
        occurred_at: AwareDatetime,
        reason: ClearReason,
        summary: str = "",
    ) -> Self:
        """Build the event."""
        return cls(
            event_id=cls.id_of(source, service, key, rev),
            occurred_at=occurred_at,
            source=source,
            service=service,
            key=key,
            rev=rev,
            reason=reason,
            summary=summary,
        )


class OpenSet(Message):
    """Everything a source holds open, restated once a minute: levels, not edges, so that a lost verdict heals."""

    subject: ClassVar[Subject] = Subject("hc.open.v1.{source}")
    ce_type: ClassVar[str] = "hypercare.open-set.v1"

    source: str
    as_of: Rev
    """Keys of this source with rev <= `as_of` that are not listed are closed."""
    at: AwareDatetime
    covered: dict[str, float] = Field(default_factory=dict)
    """Per service: coverage of the last minute by samples, 0 to 1; a watch counts covered time only."""
    breaches: list[OpenBreach]
    revision: int | None = None
    """As in `BreachOpened`."""

    @property
    def msg_id(self) -> str:
        """One statement per source and log position."""
        return f"open.{self.source}.{self.as_of}"


class SeriesSummary(BaseModel):
    """One value of one check over one minute. Percentiles interpolate linearly (numpy's definition), n = `count`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    count: int
    min: Finite
    max: Finite
    mean: Finite
    p50: Finite
    p95: Finite
    p99: Finite
    sorted_values: list[Finite] | None = None
    """All values, rising, while there are at most 60: longer windows can be computed exactly from minutes."""


class Measurement(Message):
    """One minute of one check at one location, with its coverage."""

    subject: ClassVar[Subject] = Subject("hc.measurements.v1.{partition}")
    ce_type: ClassVar[str] = "hypercare.measurement.v1"

    partition: Partition
    service: ServiceId
    check: CheckId
    location: Location
    minute_at: AwareDatetime
    """UTC, start of the minute."""
    ok: int
    failed: int
    unknown: int
    expected: int
    coverage: Annotated[Finite, Field(ge=0, le=1)]
    """(ok + failed) / expected, at most 1."""
    series: dict[str, SeriesSummary]
    """`total` (seconds, of successful probes) and every declared value."""

    @property
    def msg_id(self) -> str:
        """One minute is one message, whoever closes it."""
        return stable_id("minute", self.partition, self.check, self.location, int(self.minute_at.timestamp()))
