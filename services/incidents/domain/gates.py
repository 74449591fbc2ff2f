"""What must be met before a person (or the clock) may move an incident on, and who may pass it unmet."""

from dataclasses import dataclass

from services.incidents.domain.incident import Incident
from services.incidents.domain.plan import Plan
from shared.contracts import Stage
from shared.kit.errors import Refused


@dataclass(frozen=True)
class Gate:
    """What is still missing, in words; nothing when the gate is open."""

    missing: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        """Nothing is missing."""
        return not self.missing


def unanswered(incident: Incident, plan: Plan) -> tuple[str, ...]:
    """Questions of the present stage's checklist without an answer."""
    answered = {answer.question for answer in incident.answers if answer.stage is incident.stage}
    return tuple(question for question in plan.stage(incident.stage).checklist if question not in answered)


def gate_of(incident: Incident, plan: Plan) -> Gate:
    """What stands between this incident and its next stage."""
    missing = []
    if plan.stage(incident.stage).is_gated:
        missing += [f"unanswered: {question}" for question in unanswered(incident, plan)]
    watch = incident.watch
    if incident.stage is Stage.RESOLUTION and watch and not watch.is_over:
        missing.append(f"watched well for {watch.covered_s:.0f} s of {watch.needed_s:.0f} s")
    return Gate(tuple(missing))


def require_no_open_breach(incident: Incident) -> None:
    """Raise Refused while something is wrong: what is seen broken cannot be declared mended, by nobody."""
    if still := incident.open_breaches:
        names = ", ".join(breach.text for breach in still)
        raise Refused(f"still open: {names}; it resolves by itself when that clears", code="breach_open")
