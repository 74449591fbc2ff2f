"""The slices of those who look and count: prober and evaluator. They know no people."""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from shared.config.checks import CheckKind
from shared.config.rules import Condition
from shared.config.secret_refs import SecretRef
from shared.config.slice_base import Part, Slice
from shared.config.types import Unit
from shared.values import CheckId, Location, Partition, RuleId, ServiceId, Severity


class JsonCondition(Part):
    """One value of an answer (see json_path.parse_json_path) and what must hold of it."""

    path: str
    op: Literal["is", "matches", "above", "below"]
    value: str | float | bool | None = Field(union_mode="smart")


class ReadNumber(Part):
    """A number to take from an answer."""

    path: str
    unit: Unit


class HttpProbe(Part):
    """One request, and what makes its answer a good one."""

    url: str
    method: str
    headers: dict[str, str]
    secret_headers: dict[str, SecretRef]
    """Headers whose value is looked up when the probe is sent."""
    statuses: tuple[int, ...] | None
    """None: any from 200 to 299."""
    response_headers: dict[str, str]
    """Lower-case name to the text that must appear in its value."""
    contains: tuple[str, ...]
    regexes: tuple[str, ...]
    json_conditions: tuple[JsonCondition, ...]
    read: dict[str, ReadNumber]
    max_redirects: int
    """0: a redirect is the answer."""
    verify_tls: bool


class HeartbeatProbe(Part):
    """What others promise to send us."""

    every: timedelta
    grace: timedelta


class ProbeCheck(Part):
    """A check as the prober runs it; exactly one of `http` and `heartbeat` is set."""

    service: ServiceId
    partition: Partition
    kind: CheckKind
    every: timedelta
    timeout: timedelta
    """Zero for a heartbeat."""
    http: HttpProbe | None = None
    heartbeat: HeartbeatProbe | None = None


class ProberSlice(Slice):
    """For probers: what to look at. No people, no phone numbers, no escalations."""

    programme: str
    locations: tuple[Location, ...]
    partitions: int
    checks: dict[CheckId, ProbeCheck]


class EvaluatedCheck(Part):
    """A check as the evaluator counts it. Missing = no sample for every + timeout + grace."""

    service: ServiceId
    partition: Partition
    kind: CheckKind
    every: timedelta
    timeout: timedelta
    grace: timedelta
    values: dict[str, Unit]
    """What the check reads besides `total` and the phases (which are in seconds)."""
    locations: tuple[Location, ...]


class FailedCondition(Part):
    """At least `at_least` of the last `of` samples failed."""

    at_least: int
    of: int


class Band(Part):
    """One severity and where it begins, in the unit of what is measured."""

    severity: Severity
    value: float
    text: str
    """The threshold as written, for people: `500ms`."""


class WindowCondition(Part):
    """An aggregate of one series over a window."""

    aggregate: Literal["mean", "min", "max", "p50", "p95", "p99"]
    of: str
    unit: Unit
    over: timedelta
    direction: Literal["above", "below"]
    bands: tuple[Band, ...]
    """Worst severity first."""


class EvaluatedRule(Part):
    """A rule with its defaults filled in; `failed`, `window` or neither (`no_data`) is set, as `condition` says."""

    check: CheckId
    service: ServiceId
    condition: Condition
    failed: FailedCondition | None = None
    window: WindowCondition | None = None
    severity: Severity | None = None
    """None for windows: their bands say it."""
    symptom: str
    ok_in_a_row: int | None = None
    """Good samples in a row that clear it; None: as soon as the condition is false."""
    margin: float = 0.0
    """Share of a band's threshold by which the value must be better to leave that band: 0.1 is 10 %."""
    pending_for: timedelta
    """The condition must have held this long."""
    keep_firing_for: timedelta
    """The breach stays this long after the condition ended (`clear: {for: ...}` says the same)."""


class EvaluatorSlice(Slice):
    """For evaluators: what to count, and when to say so."""

    programme: str
    locations: tuple[Location, ...]
    partitions: int
    prober_grace: timedelta
    restate_every: timedelta = timedelta(minutes=1)
    """How often the open set is restated."""
    services: dict[ServiceId, Partition]
    checks: dict[CheckId, EvaluatedCheck]
    rules: dict[RuleId, EvaluatedRule]
