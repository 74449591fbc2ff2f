"""An incident being changed: at one instant, by one actor, under one plan. Collects what is to be written and said."""

from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from services.incidents.domain.incident import HYPERCARE, Breach, Due, DueKind, Incident, Page
from services.incidents.domain.plan import Plan
from services.incidents.domain.timeline import Entry, seal
from shared.contracts import IncidentEvent, Message, PageCancelled, PageRequested, Stage, derived_id

SILENCE = timedelta(seconds=30)
LONGEST_SILENCE = timedelta(minutes=10)


@dataclass(frozen=True)
class Change:
    """Each method returns the change with one thing more. `messages` are in the order they will be published."""

    incident: Incident
    plan: Plan
    now: datetime
    actor: str = HYPERCARE
    caused_by: str | None = None
    entries: tuple[Entry, ...] = ()
    messages: tuple[Message, ...] = ()

    def set(self, **new: Any) -> "Change":
        """Give the incident's fields new values."""
        return replace(self, incident=replace(self.incident, **new))

    def note(self, kind: str, text: str) -> "Change":
        """Append to the timeline."""
        it = self.incident
        sequence = it.timeline_length + 1
        sealed = seal(it.timeline_hash, it.id, sequence, self.now, kind, text, self.actor)
        entry = Entry(it.id, sequence, self.now, kind, text, self.actor, sealed)
        noted = replace(self, entries=(*self.entries, entry))
        return noted.set(timeline_length=sequence, timeline_hash=sealed)

    def say(self, event: type[IncidentEvent], **more: Any) -> "Change":
        """Tell the world what has become of the incident: its state as it stands in this change."""
        sequence = self.incident.sequence + 1
        said = event.model_validate(
            {
                **_snapshot(self.incident),
                "event_id": derived_id(event, self.incident.id, sequence),
                "occurred_at": self.now,
                "caused_by": self.caused_by,
                "sequence": sequence,
                "actor": self.actor,
                **more,
            }
        )
        return replace(self, messages=(*self.messages, said)).set(sequence=sequence)

    def request(self, page: Page) -> "Change":
        """Ask for a page, and look after thirty seconds whether somebody has it. One that exists is not asked twice."""
        if any(known.id == page.id for known in self.incident.pages):
            return self
        asked = self.set(pages=(*self.incident.pages, page)).schedule(DueKind.SILENCE, self.now + SILENCE, page.id)
        return replace(asked, messages=(*asked.messages, _requested(asked, page)))

    def request_again(self, page: Page) -> "Change":
        """Nobody said that they have it: ask again, under the same name, ever less often."""
        again = replace(page, issue=page.issue + 1)
        wait = min(LONGEST_SILENCE, SILENCE * 2 ** min(again.issue, 8))
        asked = self.with_page(again).schedule(DueKind.SILENCE, self.now + wait, page.id)
        return replace(asked, messages=(*asked.messages, _requested(asked, again)))

    def cancel(self, reason: str) -> "Change":
        """Ask the notifier to send nothing more for this ack epoch."""
        it = self.incident
        cancelled = PageCancelled(
            event_id=derived_id(PageCancelled, it.id, it.ack_epoch, reason),
            occurred_at=self.now,
            caused_by=self.caused_by,
            incident=it.id,
            ack_epoch=it.ack_epoch,
            reason=reason,
        )
        return replace(self, messages=(*self.messages, cancelled))

    def with_page(self, page: Page) -> "Change":
        """Replace a page by what is now known of it."""
        return self.set(pages=tuple(page if known.id == page.id else known for known in self.incident.pages))

    def with_breach(self, breach: Breach) -> "Change":
        """Add a breach, or replace it by what is now known of it."""
        breach = replace(breach, incident=self.incident.id)
        others = tuple(known for known in self.incident.breaches if _identity(known) != _identity(breach))
        return self.set(breaches=(*others, breach))

    def schedule(self, kind: DueKind, at: datetime, subject: str = "", *, awaits_open_set: bool = False) -> "Change":
        """Have this work done at an instant; there is one of each kind and subject."""
        due = Due(kind, subject, at, awaits_open_set)
        return self.unschedule(kind, subject).set(due=(*self.unschedule(kind, subject).incident.due, due))

    def unschedule(self, kind: DueKind, subject: str = "") -> "Change":
        """Have it no longer done."""
        return self.set(due=tuple(d for d in self.incident.due if (d.kind, d.subject) != (kind, subject)))


_SHARED = {field.name for field in fields(Incident)} & set(IncidentEvent.model_fields)


def _identity(breach: Breach) -> tuple[str, str, str]:
    return breach.source, breach.service, breach.key.text


def _snapshot(incident: Incident) -> dict[str, object]:
    return {
        "incident": incident.id,
        "services": incident.services if incident.location else None,
        "watch_s": incident.watch.needed_s if incident.watch and incident.stage is Stage.RESOLUTION else None,
        **{name: getattr(incident, name) for name in _SHARED},
    }


def _requested(change: Change, page: Page) -> PageRequested:
    it = change.incident
    return PageRequested(
        event_id=derived_id(PageRequested, page.id, page.issue),
        occurred_at=change.now,
        caused_by=change.caused_by,
        page=page.id,
        incident=it.id,
        incident_name=it.name,
        service=it.service,
        ack_epoch=page.ack_epoch,
        round=page.round,
        rung=page.rung,
        addressee=page.addressee,
        kind=page.kind,
        severity=page.severity,
        title=page.title,
        lines=list(page.lines),
        runbook=page.runbook,
        issue=page.issue,
        revision=change.plan.revision,
    )
