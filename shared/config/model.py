"""The configuration document (ADR 0006): everything a programme declares, in one set of files."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from shared.config.checks import Checks, Services
from shared.config.people import Channels, Escalations, People
from shared.config.rules import Rules
from shared.config.types import ALSO_VARIABLE, APPLIED, Between, Duration, Id, Link, Strict, Zone
from shared.config.workflow import Workflow
from shared.values import DEFAULT_PARTITIONS, ID_PATTERN, Location


class Evaluation(Strict):
    """How the log is cut and how soon silence speaks; the defaults are right for nearly everybody."""

    partitions: Annotated[int, Field(strict=True, ge=1, le=1024), ALSO_VARIABLE] = DEFAULT_PARTITIONS
    prober_grace: Annotated[Duration, AfterValidator(Between(timedelta(seconds=2), timedelta(hours=1)))] = timedelta(
        seconds=10
    )
    """A location that sent no batch for this long is said to be down."""
    restate_every: Annotated[Duration, AfterValidator(Between(timedelta(seconds=1), timedelta(minutes=1)))] = timedelta(
        minutes=1
    )
    """How often the open breaches are said again; more often only where clocks are short, as in a demonstration."""


def _only_one(value: object) -> object:
    # Python takes true for 1, and a Literal with it.
    if isinstance(value, bool) or not isinstance(value, int) or value != 1:
        raise ValueError("must be the number 1: this program knows no other version of the document")
    return value


class Document(Strict):
    """The whole configuration, checked: every reference in it leads somewhere."""

    version: Annotated[Literal[1], BeforeValidator(_only_one)]
    programme: Id
    timezone: Zone
    public_url: Link
    """Where people reach acknowledge links and pages."""
    locations: Annotated[
        tuple[Annotated[Location, Field(pattern=ID_PATTERN)], ...], Field(min_length=1, max_length=100)
    ]
    """Whose silence means "prober down"."""
    services: Annotated[Services, Field(min_length=1)]
    checks: Annotated[Checks, Field(min_length=1)]
    rules: Rules = Field(default_factory=dict)
    people: Annotated[People, Field(min_length=1)]
    escalations: Annotated[Escalations, Field(min_length=1)]
    channels: Channels = Channels()
    workflow: Workflow = Workflow()
    evaluation: Evaluation = Evaluation()

    @classmethod
    def read_applied(cls, body: bytes) -> "Document":
        """Read what an `apply` has stored, also that of a version which let more characters pass in texts."""
        return cls.model_validate_json(body, context=APPLIED)
