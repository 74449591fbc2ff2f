"""Rules: what must be true of a check for people to be told, how bad it is, and when it is over."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from shared.config.types import Between, Count, Duration, Id, Link, Prose, Strict, Threshold
from shared.values import ID_PATTERN, RuleId, Severity


class Condition(StrEnum):
    """What a rule looks at."""

    FAILED = "failed"
    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    P50 = "p50"
    P95 = "p95"
    P99 = "p99"
    NO_DATA = "no_data"


AGGREGATES = (Condition.MEAN, Condition.MIN, Condition.MAX, Condition.P50, Condition.P95, Condition.P99)


class Failed(Strict):
    """True while at least `at_least` of the last `of` samples failed."""

    at_least: Count
    of: Count


Bands = Annotated[dict[Severity, Threshold], Field(min_length=1)]


class Window(Strict):
    """An aggregate of one series over a window, against one threshold per severity.

    It is judged only while values have come for the whole of `over` and at least half of those due in it are there.
    """

    of: Annotated[str, Field(min_length=1, max_length=63)]
    """`total`, a phase (dns, connect, tls, ttfb, transfer), or a value that the check reads."""
    over: Annotated[Duration, AfterValidator(Between(timedelta(seconds=1), timedelta(days=1)))]
    above: Bands | None = None
    below: Bands | None = None

    @model_validator(mode="after")
    def _one_direction(self) -> "Window":
        if (self.above is None) == (self.below is None):
            raise ValueError("needs exactly one of above, below")
        return self

    @property
    def direction(self) -> Literal["above", "below"]:
        """Which side of a threshold is bad."""
        return "above" if self.above is not None else "below"

    @property
    def bands(self) -> dict[Severity, Threshold]:
        """The thresholds, worst severity first."""
        given = self.above or self.below or {}
        return {severity: given[severity] for severity in Severity if severity in given}


def _share(value: object) -> object:
    threshold = Threshold.read(value)
    if threshold.suffix != "%" or not 0 <= threshold.number < 100:  # noqa: PLR2004  # per cent
        raise ValueError("must be a percentage from 0% to less than 100%, like 10%")
    return threshold.number / 100


def _percentage(share: float) -> str:
    return f"{share * 100:.12g}%"


Margin = Annotated[
    float,
    BeforeValidator(_share),
    PlainSerializer(_percentage, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?%$"}),
]
"""A share, 0 to 1, written as a percentage."""


def _only_true(value: object) -> object:
    # Python takes 1 for True, and a Literal with it.
    if value is not None and value is not True:
        raise ValueError("must be true, or be left out")
    return value


class Clear(Strict):
    """When a breach is over, if it should take more than the condition no longer being true.

    One of ok_in_a_row: this many good samples in a row (rules on `failed`); margin: the value must be this much better
    than the threshold it crossed (rules on windows); for: the condition must have been false this long.
    """

    ok_in_a_row: Count | None = None
    margin: Margin | None = None
    for_: Annotated[Duration | None, Field(alias="for")] = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "Clear":
        if sum(part is not None for part in (self.ok_in_a_row, self.margin, self.for_)) != 1:
            raise ValueError("needs exactly one of ok_in_a_row, margin, for")
        return self


class Rule(Strict):
    """Exactly one condition on one check."""

    check: Id
    failed: Failed | None = None
    mean: Window | None = None
    min: Window | None = None
    max: Window | None = None
    p50: Window | None = None
    p95: Window | None = None
    p99: Window | None = None
    no_data: Annotated[Literal[True] | None, BeforeValidator(_only_true)] = None
    """True when samples stay away; a silent prober is not this (it says prober down)."""
    severity: Severity | None = None
    """For `failed` and `no_data`; windows name it per threshold."""
    symptom: Id | None = None
    """What incidents are grouped by; the rule's name unless given."""
    clear: Clear | None = None
    for_: Annotated[Duration, Field(alias="for")] = timedelta()
    """The condition must hold this long first."""
    keep_firing_for: Duration = timedelta()
    """The breach stays this long after the condition has ended."""
    runbook: Link | None = None
    """Instead of the service's."""
    description: Prose | None = None

    @property
    def conditions(self) -> list[Condition]:
        """The conditions written, in a fixed order; a good rule has one."""
        return [one for one in Condition if getattr(self, one.value) is not None]

    @property
    def condition(self) -> Condition:
        """The condition."""
        return self.conditions[0]

    @property
    def window(self) -> Window | None:
        """The windowed aggregate, or None for `failed` and `no_data`."""
        return self.mean or self.min or self.max or self.p50 or self.p95 or self.p99


Rules = dict[Annotated[RuleId, Field(pattern=ID_PATTERN)], Rule]
