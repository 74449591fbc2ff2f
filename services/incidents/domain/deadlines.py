"""What time brings: each kind of due work, done once when its instant has come."""

from datetime import datetime, timedelta
from typing import Final

from services.incidents.domain import breaching, escalation, telling
from services.incidents.domain.change import Change
from services.incidents.domain.incident import Due, DueKind
from shared.contracts import IncidentUpdated

TOGETHER: Final = timedelta(seconds=10)
"""A status update that is due within this of the end of a stage's time is said with it."""


def fall_due(change: Change, stated_at: datetime | None) -> Change:
    """Do all that is due at the change's instant, earliest first; how it stands is said last.

    `stated_at`: the newest open set of the sources of the open breaches; None when there never was one.
    """
    for due in sorted((d for d in change.incident.due if d.at <= change.now), key=_order):
        if due in change.incident.due:  # an earlier one may have made it pointless
            change = _one(change, due, stated_at)
    return change


def _order(due: Due) -> tuple[bool, datetime, str, str]:
    return due.kind is DueKind.UPDATE, due.at, due.kind, due.subject


def _one(change: Change, due: Due, stated_at: datetime | None) -> Change:
    match due.kind:
        case DueKind.RUNG:
            return escalation.rung_is_due(change, due, stated_at)
        case DueKind.CLOCK:
            return _clock_ran_out(change)
        case DueKind.UPDATE:
            return _status_update(change)
        case DueKind.SILENCE:
            return escalation.ask_again(change, due)
        case DueKind.ABSENCE:
            return breaching.believe_absences(change)


def _clock_ran_out(change: Change) -> Change:
    it = change.incident
    text = f"{it.stage.value} should have been over by now"
    change = change.unschedule(DueKind.CLOCK).note("clock_ran_out", text)
    change = change.say(IncidentUpdated, what="clock_ran_out", undeliverable=it.undeliverable)
    overdue = f"OVERDUE: {telling.standing(change)}"
    update = it.due_of(DueKind.UPDATE)
    if update is not None and update.at <= change.now + TOGETHER and _update_every(change) is not None:
        return _status_update(change, overdue)  # all are told anyway: nobody twice
    return telling.update_managers(change, overdue)


def _update_every(change: Change) -> timedelta | None:
    return change.plan.stage(change.incident.stage).update_every.get(change.incident.severity)


def _status_update(change: Change, said: str | None = None) -> Change:
    """Once, and again after the stage's interval: counted from now, so that an outage is not made up for.

    `said`: what is told instead of how it stands.
    """
    every = _update_every(change)
    change = change.unschedule(DueKind.UPDATE)
    if every is None:
        return change
    change = change.schedule(DueKind.UPDATE, change.now + every).note("status_update", telling.standing(change))
    return telling.update(change, said or telling.standing(change))
