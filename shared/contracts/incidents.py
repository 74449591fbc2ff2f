"""What happens to an incident, for every team that listens."""

from enum import StrEnum
from typing import ClassVar

from pydantic import AwareDatetime

from shared.contracts.base import Event, Subject
from shared.values import IncidentId, Location, PersonId, ServiceId, Severity


class Stage(StrEnum):
    """Where an incident stands; separate from its severity."""

    ALERT = "alert"
    ASSESSMENT = "assessment"
    RESPONSE = "response"
    RESOLUTION = "resolution"
    POST_MORTEM = "post_mortem"
    CLOSED = "closed"


class IncidentEvent(Event):
    """Common to all: a snapshot of the incident after the event, and its place in the incident's own order."""

    incident: IncidentId
    name: str
    sequence: int
    """Counts from 1 within the incident, without gaps."""
    service: ServiceId
    """Of a silent location: the first service that was not seen from there."""
    location: Location | None = None
    """Set when the incident is that this location is silent, whatever it watches."""
    services: tuple[ServiceId, ...] | None = None
    """Of a silent location: every service that was not seen from there so far."""
    symptom: str
    severity: Severity
    stage: Stage
    ack_epoch: int
    acknowledged_by: str | None = None
    opened_at: AwareDatetime
    stage_entered_at: AwareDatetime
    stage_due_at: AwareDatetime | None = None
    """When this stage's clock runs out; None when it has none."""
    watch_s: float | None = None
    """In RESOLUTION: seconds of the watch, from `stage_entered_at` and covered by samples; None elsewhere."""
    summary: str = ""
    actor: str | None = None
    """Who did it: a person, a token's name, or `hypercare`."""

    @property
    def about(self) -> str:
        """What it is about, in words: `erp-web` or `location fra`."""
        return f"location {self.location}" if self.location else self.service


class IncidentOpened(IncidentEvent):
    """A breach has become an incident."""

    subject: ClassVar[Subject] = Subject("hc.incidents.v1.{incident}.opened")
    ce_type: ClassVar[str] = "hypercare.incident.opened.v1"


class IncidentAcknowledged(IncidentEvent):
    """Somebody has taken it; the pages of this ack epoch stop."""

    subject: ClassVar[Subject] = Subject("hc.incidents.v1.{incident}.acknowledged")
    ce_type: ClassVar[str] = "hypercare.incident.acknowledged.v1"

    person: PersonId | None = None


class StageEntered(IncidentEvent):
    """The incident has moved to another stage; `reason` says why, also for an overridden gate."""

    subject: ClassVar[Subject] = Subject("hc.incidents.v1.{incident}.stage-entered")
    ce_type: ClassVar[str] = "hypercare.incident.stage-entered.v1"

    previous: Stage
    reason: str


class SeverityChanged(IncidentEvent):
    """Worse or better than thought."""

    subject: ClassVar[Subject] = Subject("hc.incidents.v1.{incident}.severity-changed")
    ce_type: ClassVar[str] = "hypercare.incident.severity-changed.v1"

    previous: Severity


class IncidentReopened(IncidentEvent):
    """A fresh breach during the watch: back to RESPONSE with a new ack epoch."""

    subject: ClassVar[Subject] = Subject("hc.incidents.v1.{incident}.reopened")
    ce_type: ClassVar[str] = "hypercare.incident.reopened.v1"


class IncidentResolved(IncidentEvent):
    """The watch has passed, covered by samples, and the gate is met."""

    subject: ClassVar[Subject] = Subject("hc.incidents.v1.{incident}.resolved")
    ce_type: ClassVar[str] = "hypercare.incident.resolved.v1"


class IncidentClosed(IncidentEvent):
    """The post-mortem is written."""

    subject: ClassVar[Subject] = Subject("hc.incidents.v1.{incident}.closed")
    ce_type: ClassVar[str] = "hypercare.incident.closed.v1"


class IncidentUpdated(IncidentEvent):
    """Anything else on the timeline: a note, a checklist answer, a breach joined or cleared, a page undeliverable."""

    subject: ClassVar[Subject] = Subject("hc.incidents.v1.{incident}.updated")
    ce_type: ClassVar[str] = "hypercare.incident.updated.v1"

    what: str
    """The entry's kind: `note`, `answer`, `breach_joined`, `breach_cleared`, `undeliverable`, `clock_ran_out`."""
    undeliverable: int = 0
    """Pages of this incident that could not be delivered to anybody: shown red."""


INCIDENT_EVENTS: tuple[type[IncidentEvent], ...] = (
    IncidentOpened,
    IncidentAcknowledged,
    StageEntered,
    SeverityChanged,
    IncidentReopened,
    IncidentResolved,
    IncidentClosed,
    IncidentUpdated,
)
