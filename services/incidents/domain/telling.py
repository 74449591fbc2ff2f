"""What is said to people who are told, not rung: the stage's message, updates, and `resolved`."""

from collections.abc import Iterable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from services.incidents.domain.change import Change
from services.incidents.domain.incident import Page
from shared.contracts import Addressee, PageKind, page_id
from shared.values import PersonId, format_duration


def told(change: Change) -> tuple[Addressee, ...]:
    """The channels that the escalation tells, and every manager."""
    escalation = change.plan.escalation(change.incident.services)
    channels = escalation.tell if escalation else ()
    return (*channels, *(Addressee(person=person) for person in change.plan.managers))


def everyone_paged(change: Change) -> tuple[Addressee, ...]:
    """Whoever was rung for this incident, in the order they were."""
    return tuple(page.addressee for page in change.incident.pages if page.kind is PageKind.PAGE)


def update(change: Change, title: str, *, besides: Iterable[Addressee] = (), but: Iterable[Addressee] = ()) -> Change:
    """Send one update to all who are told (and `besides`), leaving out who hears of it anyway (`but`)."""
    number = change.incident.messages_sent
    change = change.set(messages_sent=number + 1)
    unwanted = set(but)
    for addressee in dict.fromkeys((*told(change), *besides)):
        if addressee not in unwanted:
            change = change.request(_message(change, addressee, PageKind.UPDATE, number, title))
    return change


def update_managers(change: Change, title: str) -> Change:
    """Send one update to the managers alone; where there is none, to all who are told."""
    managers = {Addressee(person=person) for person in change.plan.managers}
    return update(change, title, but=[one for one in told(change) if managers and one not in managers])


def resolved(change: Change, title: str) -> Change:
    """Tell everyone who was rung, and all who are told, that it is over: once in an ack epoch."""
    for addressee in dict.fromkeys((*everyone_paged(change), *told(change))):
        change = change.request(_message(change, addressee, PageKind.RESOLVED, 0, title))
    return change


def stage_message(change: Change, what: str) -> str | None:
    """The configured message of the present stage, filled in; `what` is what was done."""
    it, plan = change.incident, change.plan
    template = plan.stage(it.stage).message
    if template is None:
        return None
    watch = plan.stage(it.stage).watch.get(it.severity)
    return template.format_map(
        {
            "summary": it.summary,
            "severity": it.severity.value,
            "SEVERITY": it.severity.value.upper(),
            "service": it.scope.text,
            "name": it.name,
            "stage": it.stage.value.replace("_", "-").upper(),
            "programme": plan.programme,
            "what": what,
            "watch": format_duration(watch) if watch else "",
            "url": plan.url,
            "runbook": it.runbook or "",
        }
    )


def headline(change: Change) -> str:
    """One line that a woken person understands: how bad, where, what."""
    it = change.incident
    return f"{it.severity.value.upper()} INCIDENT: {it.scope.text}: {it.summary}"


def standing(change: Change) -> str:
    """How it stands, for a status update."""
    it = change.incident
    minutes = int((change.now - it.opened_at).total_seconds() // 60)
    who = f"acknowledged by {it.acknowledged_by}" if it.acknowledged_by else "nobody has acknowledged yet"
    stage = it.stage.value.replace("_", "-").upper()
    return f"{it.severity.value.upper()} INCIDENT {it.name}: {stage} after {minutes} min, {who}. {it.summary}"


def context_lines(change: Change) -> tuple[str, ...]:
    """What stands below every title; the incident's name is said by each channel in its own place."""
    it = change.incident
    since = f"since {in_words(it.opened_at, change.plan.timezone)}"
    if it.location is not None:
        unseen = ", ".join(sorted(breach.service for breach in it.open_breaches))
        about = [f"Location {it.location}, {since}", *([f"Not seen from there, so far: {unseen}"] if unseen else [])]
    else:
        breaches = [f"{breach.text}: {breach.stated.summary}" for breach in it.open_breaches if breach.stated]
        about = [f"Service {it.service}, {since}", *breaches]
    return tuple(about)


def in_words(at: datetime, timezone: str) -> str:
    """An instant in the programme's zone, and in UTC for everybody else: `2026-02-20 09:15:00 CET (08:15:00 UTC)`.

    The UTC date stands there where it is another day.
    """
    here, utc = at.astimezone(ZoneInfo(timezone)), at.astimezone(UTC)
    if here.utcoffset() == utc.utcoffset():
        return f"{utc:%Y-%m-%d %H:%M:%S} UTC"
    beside = f"{utc:%H:%M:%S} UTC" if here.date() == utc.date() else f"{utc:%Y-%m-%d %H:%M:%S} UTC"
    return f"{here:%Y-%m-%d %H:%M:%S} {here:%Z} ({beside})"


def person(name: str) -> Addressee:
    """A person as an addressee."""
    return Addressee(person=PersonId(name))


def _message(change: Change, addressee: Addressee, kind: PageKind, number: int, title: str) -> Page:
    it = change.incident
    first, _, rest = title.partition("\n")
    return Page(
        id=page_id(it.id, it.ack_epoch, number, 0, addressee, kind),
        addressee=addressee,
        kind=kind,
        ack_epoch=it.ack_epoch,
        round=number,
        rung=0,
        severity=it.severity,
        title=first,
        lines=(*rest.splitlines(), *context_lines(change)),
        requested_at=change.now,
        runbook=it.runbook,
    )
