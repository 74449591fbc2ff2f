"""What breaches do to incidents: open one, join one, make it worse, open it again, heal it."""

from datetime import datetime

from services.incidents.domain import escalation, moving, telling, verdicts
from services.incidents.domain.change import Change
from services.incidents.domain.incident import Breach, DueKind, Incident
from services.incidents.domain.plan import Plan
from services.incidents.domain.scope import scope_of
from services.incidents.domain.stages import Happening
from services.incidents.domain.watch import Watch, seen
from shared.contracts import (
    ClearReason,
    IncidentOpened,
    IncidentReopened,
    IncidentUpdated,
    OpenBreach,
    SeverityChanged,
    Stage,
)
from shared.values import IncidentId, Severity


def open_incident(
    plan: Plan,
    incident: IncidentId,
    name: str,
    breach: Breach,
    stated: OpenBreach,
    now: datetime,
    caused_by: str | None,
) -> Change:
    """A breach that no open incident explains: page the first rung at once, tell the others."""
    scope = scope_of(stated.service, stated.key)
    new = Incident(
        id=incident,
        name=name,
        service=stated.service,
        symptom=stated.symptom,
        severity=stated.severity,
        stage=Stage.ALERT,
        opened_at=now,
        stage_entered_at=now,
        summary=stated.summary,
        location=scope.location,
        runbook=None if scope.location else plan.runbook(stated.service, breach.rule),
    )
    change = Change(new, plan, now, caused_by=caused_by).with_breach(breach)
    change = change.note("opened", f"{stated.severity.value}: {breach.text}: {stated.summary}")
    change = moving.start_clocks(escalation.start(change, new_round=False))
    change = change.say(IncidentOpened)
    title = telling.stage_message(change, "") or telling.headline(change)
    return telling.update(change, title, but=telling.everyone_paged(change))


def breached(change: Change, breach: Breach, stated: OpenBreach) -> Change:
    """A breach has opened in an incident that is already there."""
    before = change
    change = change.with_breach(breach).note("breach_joined", f"{breach.text}: {stated.summary}")
    if change.incident.stage is Stage.RESOLUTION:
        return _reopen(change, stated)
    change = _concern_more(before, change.say(IncidentUpdated, what="breach_joined"))
    return raise_severity(change, stated.severity, f"{breach.text} is {stated.severity.value}")


def _concern_more(before: Change, change: Change) -> Change:
    """A location's silence concerns one more service: whoever only that one's escalation names hears of it, once."""
    if change.incident.services == before.incident.services:
        return change
    change = escalation.widen(change)
    known = telling.told(before)
    if all(addressee in known for addressee in telling.told(change)):
        return change
    return telling.update(change, telling.headline(change), but=(*known, *telling.everyone_paged(change)))


def _reopen(change: Change, stated: OpenBreach) -> Change:
    """Broken again during the watch: a new ack epoch, everybody from the first rung, questions asked anew."""
    it = change.incident
    worst = max(it.severity, stated.severity, key=lambda severity: severity.rank)
    change = change.set(
        ack_epoch=it.ack_epoch + 1,
        acknowledged_by=None,
        acknowledged_at=None,
        severity=worst,
        summary=stated.summary,
        round=0,
        watch=None,
        answers=tuple(answer for answer in it.answers if answer.stage is not Stage.RESOLUTION),
    )
    change = escalation.start(change, new_round=False)
    change = moving.move(change, Happening.BREACHED, f"broken again during the watch: {stated.summary}")
    change = change.say(IncidentReopened)
    return telling.update(change, f"REOPENED: {telling.headline(change)}", but=telling.everyone_paged(change))


def changed(change: Change, breach: Breach, stated: OpenBreach) -> Change:
    """An open breach has moved to another band. Worse raises the incident; better is said, and lowers nothing."""
    change = change.with_breach(breach)
    change = change.note("breach_changed", f"{breach.text} is {stated.severity.value}: {stated.summary}")
    change = change.say(IncidentUpdated, what="breach_changed")
    return raise_severity(change, stated.severity, f"{breach.text} is {stated.severity.value}")


def raise_severity(change: Change, severity: Severity, why: str) -> Change:
    """Worse than thought: whoever was not reached yet is rung again by the policy of the new severity.

    Once acknowledged, nobody is rung: the one who took it is told. A severity that is not worse changes nothing.
    """
    it = change.incident
    if severity.rank <= it.severity.rank:
        return change
    change = set_severity(change, severity, why)
    if it.acknowledged_by is None:
        change = escalation.start(change, new_round=True)
        return telling.update(change, f"WORSE: {telling.headline(change)}", but=telling.everyone_paged(change))
    return telling.update(change, f"WORSE: {telling.headline(change)}", besides=telling.everyone_paged(change))


def set_severity(change: Change, severity: Severity, why: str) -> Change:
    """Give it a severity, with the clocks that go with it."""
    previous = change.incident.severity
    change = moving.start_clocks(change.set(severity=severity))
    change = change.note("severity", f"{previous.value} -> {severity.value}: {why}")
    return change.say(SeverityChanged, previous=previous)


def cleared(change: Change, breach: Breach, summary: str) -> Change:
    """A breach of this incident has ended. The last one heals it, if all of them ended because all is well."""
    reason = breach.ended
    change = change.with_breach(breach)
    if reason is ClearReason.CONFIG:
        text = f"{breach.text}: its rule was changed or removed; nobody has seen it heal"
    else:
        text = f"{breach.text}: {summary or 'well again'}"
    change = change.note("breach_cleared", text).say(IncidentUpdated, what="breach_cleared")
    it = change.incident
    if it.open_breaches:
        return change
    if it.needs_person:
        return change.note("needs_person", "nothing is open, but not all of it healed: a person has to resolve it")
    return moving.move(
        change,
        Happening.HEALED,
        "all breaches cleared",
        what=f"{it.symptom} on {it.scope.text}: {summary or 'well again'}",
    )


def gone_missing(change: Change, breach: Breach) -> Change:
    """An open set no longer lists it: wait a moment for its own message, which says why."""
    return change.with_breach(breach).schedule(DueKind.ABSENCE, change.now + escalation.ABSENCE)


def believe_absences(change: Change) -> Change:
    """The moment has passed: what was not listed is over."""
    change = change.unschedule(DueKind.ABSENCE)
    for breach in change.incident.open_breaches:
        if breach.absent_as_of is not None:
            is_configured = _is_configured(change.plan, breach)
            over = verdicts.believe_absent(breach, is_configured=is_configured, now=change.now)
            change = cleared(change, over, "no longer in the list of what is open")
    return change


def _is_configured(plan: Plan, breach: Breach) -> bool:
    """Whether its rule is still there. Nobody writes the rule that a location is silent: its service stands for it."""
    return breach.service in plan.services if breach.key.is_silent_prober else breach.rule in plan.runbooks


def watched(change: Change, at: datetime, coverage: float) -> Change:
    """An open set says how much of the last minute was covered; the watch may be over by it."""
    watch: Watch | None = change.incident.watch
    if change.incident.stage is not Stage.RESOLUTION or watch is None:
        return change
    more = seen(watch, min(at, change.now), coverage)
    was_over = watch.is_over
    change = change.set(watch=more)
    if more.is_over and not was_over:
        change = change.note("watch_over", f"seen well for {more.covered_s:.0f} s, as asked")
    return change
