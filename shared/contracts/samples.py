"""The log an evaluator reads: what probers saw, plus the two control records its owner appends (ADR 0001)."""

import re
from datetime import datetime
from typing import Annotated, ClassVar, Final

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from shared.contracts.base import Message, Subject
from shared.values import CheckId, Location, Outcome, Partition, stable_id


def utc_millis(value: datetime) -> str:
    """Write an instant as the wire does: `2026-11-24T03:46:39.250Z`, milliseconds always there."""
    return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z"


_TO_THE_SECOND: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d")


def _no_number(value: object) -> object:
    """Refuse what pydantic alone would take for an instant: seconds since the epoch, also in quotes, or no seconds."""
    if isinstance(value, datetime) or (isinstance(value, str) and _TO_THE_SECOND.match(value)):
        return value
    raise ValueError("must be an RFC 3339 instant with seconds and an offset: 2026-11-24T03:46:39.250Z")


WireTime = Annotated[AwareDatetime, BeforeValidator(_no_number), PlainSerializer(utc_millis, when_used="json")]
Finite = Annotated[float, Field(allow_inf_nan=False, strict=True)]
StrictPartition = Annotated[Partition, Field(strict=True)]


class Sample(BaseModel):
    """One look at one check. `due_at` lies on the check's own grid and is what windows are counted in."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    check: CheckId
    due_at: WireTime
    took_s: Annotated[Finite, Field(ge=0)]
    outcome: Outcome
    reason: str | None = None
    """Why it failed or is unknown, for people; None when ok."""
    values: dict[str, Finite] = Field(default_factory=dict)
    """Numbers read: phases (`dns`, `connect`, `tls`, `ttfb`, `transfer`, seconds) and the check's own values."""
    code: str | None = None
    """The reason as one stable word (`timeout`, `status`, `refused`, `prober-late`) for metrics and tests."""


class SampleBatch(Message):
    """What one prober saw of one partition since its last batch; empty when it only says "I am here"."""

    subject: ClassVar[Subject] = Subject("hc.samples.v1.{partition}.{location}")
    ce_type: ClassVar[str] = "hypercare.samples.v1"

    partition: StrictPartition
    location: Location
    prober: str
    """The replica, with a nonce of its start: `prober-0-5f3a`."""
    batch: Annotated[int, Field(strict=True)]
    """Counts up from 1 within one start of one prober and partition; with `prober` it names the batch."""
    samples: list[Sample]

    @property
    def msg_id(self) -> str:
        """The same batch sent again after a time-out is stored once."""
        return f"{self.prober}.{self.partition}.{self.batch}"


class Tick(Message):
    """Appended by a partition's owner when a second passed without a record, so that silence has a clock."""

    subject: ClassVar[Subject] = Subject("hc.samples.v1.{partition}.control.owner")
    ce_type: ClassVar[str] = "hypercare.tick.v1"

    partition: Partition
    after: int
    """The stream sequence of the last record seen."""

    @property
    def msg_id(self) -> str:
        """One tick per record it follows; on the bus the owner adds a secret of its own."""
        return f"tick.{self.partition}.{self.after}"


class ConfigApplied(Message):
    """From this record on a partition is judged by this revision; restated hourly so that it never ages out."""

    subject: ClassVar[Subject] = Subject("hc.samples.v1.{partition}.control.owner")
    ce_type: ClassVar[str] = "hypercare.config-applied.v1"

    partition: Partition
    revision: int
    digest: str
    """SHA-256 of the evaluator's slice, hex: the object's name in the `revisions_evaluator` store."""
    hour: int
    """Hours since the epoch: makes the restatement a message of its own."""

    @property
    def msg_id(self) -> str:
        """One marker per revision and hour; on the bus the owner adds a secret of its own."""
        return stable_id("config", self.partition, self.revision, self.digest, self.hour)
