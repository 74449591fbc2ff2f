"""What each service is told of the document: resolved, defaults filled in, and nothing that is not its business.

Slices travel as JSON. Readers ignore fields they do not know, because a newer writer may have added some. Durations are
ISO 8601 in JSON and timedelta in Python; everything is keyed by id, so that order never changes a digest.
"""

import hashlib
import json
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.config.checks import CheckKind
from shared.config.people import ChannelKind
from shared.config.rules import Condition
from shared.config.types import SecretRef, Unit, UrlRef
from shared.config.workflow import Gate
from shared.values import CheckId, Location, Partition, PersonId, RuleId, ServiceId, Severity


class Part(BaseModel):
    """A piece of a slice."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Slice(Part):
    """All that one service knows of the configuration."""

    @cached_property
    def _digest(self) -> str:
        canonical = json.dumps(
            self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        return hashlib.sha256(canonical.encode()).hexdigest()

    def digest(self) -> str:
        """Return the SHA-256 (hex) of the canonical JSON: the same content has the same digest everywhere."""
        return self._digest


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


class ServiceCard(Part):
    """A service, for the people who look after it."""

    description: str | None
    escalation: str
    runbook: str | None


class Target(Part):
    """Somewhere that is told: a channel and an address on it."""

    channel: ChannelKind
    address: str


class StepPlan(Part):
    """These people at once, then `wait`."""

    notify: tuple[PersonId, ...]
    wait: timedelta | None
    """None only on the last step of a policy that does not repeat."""


class PolicyPlan(Part):
    """Steps in order; `repeat` more rounds after the first."""

    steps: tuple[StepPlan, ...]
    repeat: int


class EscalationPlan(Part):
    """One policy for each of the four severities."""

    tell: tuple[Target, ...]
    policies: dict[Severity, PolicyPlan]
    default: PolicyPlan | None = None
    """What is left when a policy's people are gone."""


class PersonCard(Part):
    """A person without addresses."""

    name: str
    role: str | None
    timezone: str


class StagePlan(Part):
    """One stage, complete. A severity that is not in a map has no such clock."""

    clock: dict[Severity, timedelta]
    update_every: dict[Severity, timedelta]
    checklist: tuple[str, ...]
    gate: Gate
    message: str | None
    """A template with the fields of workflow.MESSAGE_FIELDS in braces, for `str.format_map`."""
    watch: dict[Severity, timedelta]
    """Only in `resolution`; empty elsewhere."""


class StageName(StrEnum):
    """The stages that have settings; the same words as in the incident's contract."""

    ALERT = "alert"
    ASSESSMENT = "assessment"
    RESPONSE = "response"
    RESOLUTION = "resolution"
    POST_MORTEM = "post_mortem"


class RuleCard(Part):
    """A rule, for the incident it opens."""

    check: CheckId
    service: ServiceId
    symptom: str
    runbook: str | None
    """The rule's own, else the service's."""
    description: str | None


class IncidentsSlice(Slice):
    """For incidents: who is paged after whom, and how a stage runs. No addresses of people."""

    programme: str
    timezone: str
    public_url: str
    services: dict[ServiceId, ServiceCard]
    rules: dict[RuleId, RuleCard]
    escalations: dict[str, EscalationPlan]
    people: dict[PersonId, PersonCard]
    workflow: dict[StageName, StagePlan]


class Contact(Part):
    """One address on one channel."""

    kind: ChannelKind
    address: str


class Addressable(Part):
    """A person with addresses, in the order they are tried."""

    name: str
    timezone: str
    language: str
    reach: tuple[Contact, ...]


class SmtpAccount(Part):
    """A mail server; `username` and `password` are both set or both None."""

    name: str
    host: str
    port: int
    sender: str
    username: SecretRef | None
    password: SecretRef | None
    starttls: bool


class TwilioAccount(Part):
    """An account at Twilio."""

    name: str
    account: SecretRef
    token: SecretRef
    sender: str
    api_url: str


class SlackHook(Part):
    """An incoming webhook of Slack."""

    name: str
    webhook: SecretRef


class WebhookTarget(Part):
    """A system that takes our events."""

    name: str
    url: UrlRef
    secret: SecretRef


class NotifierSlice(Slice):
    """For notifiers: how people are reached. Channels in the order they stand in for each other."""

    programme: str
    timezone: str
    public_url: str
    people: dict[PersonId, Addressable]
    email: tuple[SmtpAccount, ...] = ()
    sms: tuple[TwilioAccount, ...] = ()
    chat: tuple[SlackHook, ...] = ()
    webhook: tuple[WebhookTarget, ...] = ()


class ConsoleService(Part):
    """A service as the console shows it."""

    description: str | None
    runbook: str | None
    partition: Partition


class ConsoleCheck(Part):
    """A check as the console shows it."""

    service: ServiceId
    kind: CheckKind
    every: timedelta
    values: dict[str, Unit]
    target: str | None
    """The address it asks, without its query; None for a heartbeat."""


class ConsoleRule(Part):
    """A rule as the console shows it."""

    check: CheckId
    service: ServiceId
    summary: str
    """One line: `p95 of total over 5m above 1s critical, 500ms high`."""
    bands: tuple[Band, ...]
    of: str | None
    severity: Severity | None


class ConsoleSlice(Slice):
    """For the console: names and thresholds."""

    programme: str
    timezone: str
    public_url: str
    locations: tuple[Location, ...]
    services: dict[ServiceId, ConsoleService]
    checks: dict[CheckId, ConsoleCheck]
    rules: dict[RuleId, ConsoleRule]
    people: dict[PersonId, str]
    """Names by id."""
