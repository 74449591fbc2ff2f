"""An incident and everything that belongs to it, as one value."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.incidents.domain.scope import Scope, scope_of_incident
from services.incidents.domain.stages import UNRESOLVED_STAGES
from services.incidents.domain.watch import Watch
from shared.contracts import Addressee, BreachKey, ClearReason, OpenBreach, PageKind, PageState, Stage
from shared.values import CheckId, IncidentId, Location, PageId, RuleId, ServiceId, Severity

HYPERCARE = "hypercare"
"""The actor of what nobody did by hand."""


@dataclass(frozen=True)
class Breach:
    """What we know of one rule, check and location of one source. `rev` is the newest verdict's."""

    source: str
    service: ServiceId
    rule: RuleId
    check: CheckId
    location: Location
    rev: int
    is_open: bool
    stated: OpenBreach | None = None
    """The breach in the source's words; None when only its end was ever heard of."""
    incident: IncidentId | None = None
    absent_as_of: int | None = None
    """An open set of this `as_of` no longer lists it; believed after a moment, for its own message may say why."""
    ended: ClearReason | None = None
    changed_at: datetime | None = None

    @property
    def key(self) -> BreachKey:
        """Rule, check and location as one value."""
        return BreachKey(rule=self.rule, check=self.check, location=self.location)

    @property
    def text(self) -> str:
        """Which breach, for people: `web-down/web-health/main`, or `erp-web not seen from fra`."""
        key = self.key
        return f"{self.service} not seen from {self.location}" if key.is_silent_prober else key.text


@dataclass(frozen=True)
class Page:
    """One request to reach one addressee, and what was proven of it so far."""

    id: PageId
    addressee: Addressee
    kind: PageKind
    ack_epoch: int
    round: int
    rung: int
    severity: Severity
    title: str
    lines: tuple[str, ...]
    requested_at: datetime
    runbook: str | None = None
    issue: int = 0
    """How often it was requested again because nobody said that they have it."""
    state: PageState | None = None
    """The best proof; None before any receipt."""
    handed_over_at: datetime | None = None
    is_undeliverable: bool = False
    is_stand_in: bool = False
    """Whom the policy names is no longer configured; this is somebody in their place."""


@dataclass(frozen=True)
class Answer:
    """One answer to one question of a stage's checklist."""

    stage: Stage
    question: str
    answer: str
    by: str
    at: datetime


class DueKind(StrEnum):
    """Work that time brings."""

    RUNG = "rung"
    CLOCK = "clock"
    UPDATE = "update"
    SILENCE = "silence"
    """A page that nobody gave a receipt for; `subject` is its id."""
    ABSENCE = "absence"
    """Breaches that an open set no longer lists."""


@dataclass(frozen=True)
class Due:
    """One such piece of work of one incident."""

    kind: DueKind
    subject: str
    at: datetime
    awaits_open_set: bool = False
    """A rung that we were too late for: it waits for proof that the breach is still there, until `at` at most."""


@dataclass(frozen=True)
class Incident:
    """From the first breach to the written post-mortem."""

    id: IncidentId
    name: str
    service: ServiceId
    symptom: str
    severity: Severity
    stage: Stage
    opened_at: datetime
    stage_entered_at: datetime
    summary: str
    location: Location | None = None
    """Set when it is this location's silence; `service` is then the first one that was not seen from there."""
    runbook: str | None = None
    stage_due_at: datetime | None = None
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    closed_at: datetime | None = None
    ack_epoch: int = 1
    round: int = 0
    """Counts every start of a policy's first rung within an ack epoch: part of the pages' names."""
    rung: int = 0
    rounds_left: int = 0
    paging_severity: Severity = Severity.LOW
    """Whose policy is being followed; a lowered severity does not change people in the middle of it."""
    is_exhausted: bool = False
    """Everybody the policy names was paged and nobody has acknowledged."""
    messages_sent: int = 0
    """Counts updates: part of their names."""
    sequence: int = 0
    timeline_length: int = 0
    timeline_hash: str = ""
    watch: Watch | None = None
    breaches: tuple[Breach, ...] = ()
    pages: tuple[Page, ...] = ()
    answers: tuple[Answer, ...] = ()
    due: tuple[Due, ...] = ()

    @property
    def open_breaches(self) -> tuple[Breach, ...]:
        """What is wrong now."""
        return tuple(breach for breach in self.breaches if breach.is_open)

    @property
    def scope(self) -> Scope:
        """What it is about."""
        return scope_of_incident(self.service, self.location)

    @property
    def services(self) -> tuple[ServiceId, ...]:
        """Whom it concerns: of a silent location every service that was not seen from there, in order of name."""
        if self.location is None:
            return (self.service,)
        return tuple(sorted({self.service, *(breach.service for breach in self.breaches)}))

    @property
    def needs_person(self) -> bool:
        """Nothing is open, but something ended by a change of configuration: nobody has seen that it healed.

        A location is heard again as soon as one service is seen from it, whichever others are no longer configured.
        """
        if self.open_breaches:
            return False
        if self.location is not None:
            return all(breach.ended is not ClearReason.HEALED for breach in self.breaches)
        return any(breach.ended is ClearReason.CONFIG for breach in self.breaches)

    @property
    def is_unanswered(self) -> bool:
        """People are to be rung: it is not resolved, and nobody has taken it."""
        return self.acknowledged_by is None and self.stage in UNRESOLVED_STAGES

    @property
    def undeliverable(self) -> int:
        """Pages that reached nobody."""
        return sum(page.is_undeliverable for page in self.pages)

    @property
    def rung_pages(self) -> tuple[Page, ...]:
        """The pages of the rung we stand on."""
        here = (self.ack_epoch, self.round, self.rung)
        return tuple(p for p in self.pages if p.kind is PageKind.PAGE and (p.ack_epoch, p.round, p.rung) == here)

    def is_ringing(self, page: Page) -> bool:
        """A page proper of the present ack epoch, while people are to be rung."""
        return page.kind is PageKind.PAGE and page.ack_epoch == self.ack_epoch and self.is_unanswered

    def due_of(self, kind: DueKind, subject: str = "") -> Due | None:
        """The one piece of work of this kind, if any."""
        return next((due for due in self.due if due.kind is kind and due.subject == subject), None)
