"""What people do to incidents. Every act is on the timeline with the name of who did it."""

from dataclasses import dataclass

from services.incidents.domain import breaching, escalation, gates, moving, telling
from services.incidents.domain.change import Change
from services.incidents.domain.incident import Answer
from services.incidents.domain.stages import Happening, next_stage
from shared.contracts import IncidentAcknowledged, IncidentUpdated, Stage
from shared.kit.errors import Refused
from shared.values import PersonId, Severity


@dataclass(frozen=True)
class Override:
    """Somebody with the right to it passes a gate unmet, and says why."""

    reason: str


def acknowledge(change: Change, by: str, how: str, *, notifier_knows: bool) -> Change:
    """Somebody takes it: nobody else is rung.

    `notifier_knows`: it came through an acknowledge link, so the notifier has already suppressed the pages itself.
    A second acknowledgement is noted and changes nothing.
    """
    it = change.incident
    if next_stage(it.stage, Happening.ACKNOWLEDGED) is None:
        raise Refused(f"{it.name} is closed", code="wrong_stage")
    if it.acknowledged_by is not None:
        return change.note("also_acknowledged", f"by {by} ({how}); {it.acknowledged_by} has it")
    change = escalation.stop(change.set(acknowledged_by=by, acknowledged_at=change.now))
    change = change.note("acknowledged", f"by {by} ({how})")
    if not notifier_knows:
        change = change.cancel(f"acknowledged by {by} ({how})")
    person = PersonId(by) if by in change.plan.people else None
    change = change.say(IncidentAcknowledged, person=person)
    return moving.move(change, Happening.ACKNOWLEDGED, f"acknowledged by {by}")


def advance(change: Change, reason: str, override: Override | None) -> Change:
    """A person moves it to its next stage; the gate must be met, or overridden by name and with a reason."""
    it = change.incident
    if it.stage is Stage.ALERT:
        passed = _pass_gate(change, override)
        return acknowledge(passed, change.actor, reason or "advanced by hand", notifier_knows=False)
    if next_stage(it.stage, Happening.ADVANCED) is Stage.RESOLUTION:
        gates.require_no_open_breach(it)
    change = _pass_gate(change, override)
    why = reason or (override.reason if override else "") or "advanced by hand"
    return moving.move(change, Happening.ADVANCED, why, what=why)


def _pass_gate(change: Change, override: Override | None) -> Change:
    gate = gates.gate_of(change.incident, change.plan)
    if gate.is_open:
        return change
    if override is None:
        raise Refused("the gate is not met: " + "; ".join(gate.missing), code="gate")
    if not override.reason.strip():
        raise Refused("overriding a gate needs a reason", code="reason_missing")
    return change.note("gate_overridden", f"{override.reason} (not met: {'; '.join(gate.missing)})")


def resolve(change: Change, summary: str) -> Change:
    """A person says that it is mended: the watch begins. Refused while anything is seen broken."""
    gates.require_no_open_breach(change.incident)
    return moving.move(change, Happening.RESOLVED, summary, what=summary)


def question_of(change: Change, item: str) -> str:
    """The question that `item` means: its number in the present checklist, or its words. Raises Refused."""
    checklist = change.plan.stage(change.incident.stage).checklist
    if item in checklist:
        return item
    if item.isdecimal() and int(item) < len(checklist):
        return checklist[int(item)]
    stage = change.incident.stage.value
    raise Refused(f"{item!r} is not on the checklist of {stage} ({len(checklist)} items, from 0)", code="no_such_item")


def answer(change: Change, item: str, text: str) -> Change:
    """Answer a question of the present stage. The last answer may open the gate, and then the incident moves on."""
    question = question_of(change, item)
    it = change.incident
    given = Answer(it.stage, question, text, change.actor, change.now)
    others = tuple(a for a in it.answers if (a.stage, a.question) != (it.stage, question))
    change = change.set(answers=(*others, given)).note("answer", f"{question} {text}")
    change = change.say(IncidentUpdated, what="answer")
    return move_if_met(change)


def move_if_met(change: Change) -> Change:
    """In RESOLUTION and POST_MORTEM a met gate opens by itself: nobody has to press one more button.

    Without a checklist a post-mortem would be over before it began, so that one is closed by hand.
    """
    it, plan = change.incident, change.plan
    if not gates.gate_of(it, plan).is_open:
        return change
    if it.stage is Stage.RESOLUTION and it.watch and it.watch.is_over and not it.open_breaches:
        return moving.move(change, Happening.WATCHED, "watched well, and the gate is met")
    if it.stage is Stage.POST_MORTEM and plan.stage(it.stage).is_gated and plan.stage(it.stage).checklist:
        return moving.move(change, Happening.ANSWERED, "the post-mortem is written")
    return change


def write_note(change: Change, text: str) -> Change:
    """Write on the timeline."""
    return change.note("note", text).say(IncidentUpdated, what="note")


def judge_severity(change: Change, severity: Severity, reason: str) -> Change:
    """A person sets the severity. Worse rings as it would by itself; better is said to all who are told."""
    it = change.incident
    if it.stage is Stage.CLOSED:
        raise Refused(f"{it.name} is closed", code="wrong_stage")
    if severity is it.severity:
        return change
    if severity.rank > it.severity.rank and it.stage in {Stage.ALERT, Stage.ASSESSMENT, Stage.RESPONSE}:
        return breaching.raise_severity(change, severity, reason)
    change = breaching.set_severity(change, severity, reason)
    return telling.update(change, f"{it.name} is now {severity.value}: {reason}")
