"""Entering a stage: its clock, its updates, its message, its watch."""

from datetime import timedelta
from typing import Final

from services.incidents.domain import escalation, telling, watch
from services.incidents.domain.change import Change
from services.incidents.domain.incident import DueKind
from services.incidents.domain.stages import Happening, next_stage
from shared.contracts import IncidentClosed, IncidentResolved, Stage, StageEntered
from shared.kit.errors import Refused

DEFAULT_WATCH: Final = timedelta(minutes=30)


def move(change: Change, happening: Happening, reason: str, *, what: str = "") -> Change:
    """Go where the table leads; staying is no move. Raises Refused where it cannot happen.

    `reason` goes on the timeline; `what` is what was done, for the stage's message.
    """
    stage = next_stage(change.incident.stage, happening)
    if stage is None:
        raise Refused(f"cannot be {happening.value} in {change.incident.stage.value}", code="wrong_stage")
    if stage is change.incident.stage:
        return change
    return _enter(change, stage, reason, what)


def _enter(change: Change, stage: Stage, reason: str, what: str) -> Change:
    previous = change.incident.stage
    change = start_clocks(change.set(stage=stage, stage_entered_at=change.now))
    change = change.note("stage", f"{previous.value} -> {stage.value}: {reason}")
    if stage is Stage.RESOLUTION:
        needed = change.plan.stage(stage).watch.get(change.incident.severity, DEFAULT_WATCH)
        change = change.set(watch=watch.begin(needed, change.now))
    change = change.say(StageEntered, previous=previous, reason=reason)
    if stage is Stage.RESOLUTION:
        change = _end_paging(change)
        return telling.resolved(change, telling.stage_message(change, what) or f"RESOLVED: {what}")
    if stage is Stage.POST_MORTEM:
        change = change.say(IncidentResolved)
    if stage is Stage.CLOSED:
        change = change.set(closed_at=change.now).say(IncidentClosed)
    message = telling.stage_message(change, what)
    return telling.update(change, message) if message else change


def start_clocks(change: Change) -> Change:
    """Set the stage's clock and updates by the present severity. An update that comes sooner anyway stays."""
    it, plan = change.incident, change.plan.stage(change.incident.stage)
    clock, every = plan.clock.get(it.severity), plan.update_every.get(it.severity)
    change = change.set(stage_due_at=it.stage_entered_at + clock if clock else None).unschedule(DueKind.CLOCK)
    if change.incident.stage_due_at:
        change = change.schedule(DueKind.CLOCK, change.incident.stage_due_at)
    running = it.due_of(DueKind.UPDATE)
    if every is None:
        return change.unschedule(DueKind.UPDATE)
    next_at = change.now + every
    return change.schedule(DueKind.UPDATE, min(next_at, running.at) if running else next_at)


def _end_paging(change: Change) -> Change:
    """Pages still to be sent are cancelled; after an acknowledgement there are none."""
    if change.incident.acknowledged_by is not None:
        return change
    return escalation.stop(change).cancel("cleared")
