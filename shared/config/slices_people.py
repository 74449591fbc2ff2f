"""The slices of those who deal with people: incidents and notifier."""

from datetime import timedelta
from enum import StrEnum

from shared.config.people import ChannelKind
from shared.config.secret_refs import SecretRef, UrlRef
from shared.config.slice_base import Part, Slice
from shared.config.workflow import Gate
from shared.values import CheckId, PersonId, RuleId, ServiceId, Severity


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
