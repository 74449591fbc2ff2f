"""The staged workflow of an incident. Everything is optional; the defaults are the plan's numbers exactly."""

from datetime import timedelta
from enum import StrEnum
from string import Formatter
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from shared.config.types import DURATION_PATTERN, Between, Duration, Prose, Strict
from shared.values import Severity

STAGES: Final = ("alert", "assessment", "response", "resolution", "post_mortem")

MESSAGE_FIELDS: Final = frozenset(
    {"summary", "severity", "SEVERITY", "service", "name", "stage", "programme", "what", "watch", "url", "runbook"}
)
"""What a message may name in braces. `what` is what was done; `watch` is how long the service is watched."""


class Gate(StrEnum):
    """What must be met before a stage is left."""

    NONE = "none"
    CHECKLIST = "checklist"


def _for_every_severity(value: object) -> object:
    return dict.fromkeys(Severity, value) if isinstance(value, str | timedelta | int | float) else value


DurationMap = Annotated[
    dict[Severity, Annotated[Duration, AfterValidator(Between(least=timedelta(seconds=1)))]],
    BeforeValidator(_for_every_severity),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": DURATION_PATTERN},
                {
                    "type": "object",
                    "properties": {one.value: {"type": "string", "pattern": DURATION_PATTERN} for one in Severity},
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
"""One duration for every severity, or one for each that is named; the others keep the default."""


def _known_fields(value: str) -> str:
    try:
        parts = list(Formatter().parse(value))
    except ValueError as error:
        raise ValueError(f"has unbalanced braces ({error}); write {{{{ for a brace") from error
    for _, name, form, conversion in parts:
        if name is not None and (name not in MESSAGE_FIELDS or form or conversion):
            raise ValueError(f"names {{{name}}}; what can be named is {', '.join(sorted(MESSAGE_FIELDS))}")
    return value


Message = Annotated[str, Field(min_length=1, max_length=1500), AfterValidator(_known_fields)]
Checklist = Annotated[tuple[Prose, ...], Field(max_length=50)]


class StageSettings(Strict):
    """One stage; what is left out keeps the shipped default."""

    clock: DurationMap | None = None
    """How long the stage may take."""
    update_every: DurationMap | None = None
    """How often those who are told hear how it stands."""
    checklist: Checklist | None = None
    gate: Gate | None = None
    message: Message | None = None
    """Said when the stage is entered."""


class ResolutionSettings(StageSettings):
    """The stage that watches."""

    watch: DurationMap | None = None
    """How long the service must be seen well, counted in time covered by samples."""


class Workflow(Strict):
    """The stages that can be changed; CLOSED has nothing to set."""

    alert: StageSettings = StageSettings()
    assessment: StageSettings = StageSettings()
    response: StageSettings = StageSettings()
    resolution: ResolutionSettings = ResolutionSettings()
    post_mortem: StageSettings = StageSettings()


def _every(minutes: float) -> dict[Severity, timedelta]:
    return dict.fromkeys(Severity, timedelta(minutes=minutes))


SHIPPED: Final[dict[str, ResolutionSettings]] = {
    "alert": ResolutionSettings(
        clock=_every(5),
        update_every={Severity.CRITICAL: timedelta(minutes=5)},
        checklist=("Manager notified of the severity?", "Slack status set to #critical-incident?"),
        gate=Gate.NONE,
        message="{SEVERITY} INCIDENT: {summary}",
    ),
    "assessment": ResolutionSettings(
        clock=_every(10),  # minutes 5 to 15 of the incident
        update_every={Severity.CRITICAL: timedelta(minutes=5)},
        checklist=(
            "What's broken? (specific component)",
            "How many users affected? (number/percentage)",
            "Root cause apparent? (yes/no)",
            "Rollback possible? (safe/risky)",
            "How urgent? (stop-everything/normal)",
            "Deploy fix? (Yes/Maybe/No)",
            "Rollback? (Immediate/Wait for fix)",
            "Scale resources? (Yes/No)",
            "Executive notify? (Yes/No)",
        ),
        gate=Gate.NONE,
    ),
    "response": ResolutionSettings(
        clock={
            Severity.CRITICAL: timedelta(minutes=30),
            Severity.HIGH: timedelta(hours=4),
            Severity.MEDIUM: timedelta(days=1),
            Severity.LOW: timedelta(days=7),
        },
        update_every={Severity.CRITICAL: timedelta(minutes=15)},
        checklist=(
            'If rolling back: revert, deploy to production, health checks pass, said "Rolled back, investigating"?',
            "If fixing: developer on keyboard, two engineers watching, deployed when ready, verified thoroughly?",
            "If scaling: database replicas, API instances, cache memory, load balancer nodes?",
        ),
        gate=Gate.NONE,
    ),
    "resolution": ResolutionSettings(
        checklist=(
            "System operational?",
            "Users able to access?",
            "Data integrity verified?",
            "No errors in logs?",
            "Alerts cleared?",
        ),
        gate=Gate.CHECKLIST,
        message="RESOLVED: {what}\nMonitoring closely for {watch}\nWill send detailed report tomorrow",
        watch=_every(30),
    ),
    "post_mortem": ResolutionSettings(
        clock=_every(24 * 60),
        checklist=(
            "What happened?",
            "When did it start/end?",
            "How many users affected?",
            "What was the root cause?",
            "What was the fix?",
            "How could this be prevented?",
            "What changed behavior for users?",
            "Action items to prevent recurrence?",
        ),
        gate=Gate.CHECKLIST,
    ),
}
