"""Cut out what incidents and notifier need."""

from shared.config.model import Document
from shared.config.people import Channels, Escalation, Person, Policy, Reach
from shared.config.rules import Rule
from shared.config.slice_models import (
    Addressable,
    Contact,
    EscalationPlan,
    IncidentsSlice,
    NotifierSlice,
    PersonCard,
    PolicyPlan,
    RuleCard,
    ServiceCard,
    SlackHook,
    SmtpAccount,
    StageName,
    StagePlan,
    StepPlan,
    Target,
    TwilioAccount,
    WebhookTarget,
)
from shared.config.workflow import SHIPPED, Gate, StageSettings
from shared.values import CheckId, PersonId, ServiceId, Severity


def incidents_slice(document: Document) -> IncidentsSlice:
    """Who is paged after whom, and how a stage runs."""
    return IncidentsSlice(
        programme=document.programme,
        timezone=document.timezone,
        public_url=document.public_url.rstrip("/"),
        services={
            name: ServiceCard(description=one.description, escalation=one.escalation, runbook=one.runbook)
            for name, one in document.services.items()
        },
        rules={name: _rule_card(document, name, rule) for name, rule in document.rules.items()},
        escalations={name: _escalation(one) for name, one in document.escalations.items()},
        people={
            name: PersonCard(name=one.name, role=one.role, timezone=one.timezone or document.timezone)
            for name, one in document.people.items()
        },
        workflow={stage: _stage(stage, getattr(document.workflow, stage.value)) for stage in StageName},
    )


def _rule_card(document: Document, name: str, rule: Rule) -> RuleCard:
    service = ServiceId(document.checks[CheckId(rule.check)].service)
    return RuleCard(
        check=CheckId(rule.check),
        service=service,
        symptom=rule.symptom or name,
        runbook=rule.runbook or document.services[service].runbook,
        description=rule.description,
    )


def _policy(policy: Policy) -> PolicyPlan:
    steps = tuple(StepPlan(notify=tuple(PersonId(one) for one in step.notify), wait=step.wait) for step in policy.steps)
    return PolicyPlan(steps=steps, repeat=policy.repeat)


def _target(reach: Reach) -> Target:
    return Target(channel=reach.kind, address=reach.address)


def _escalation(escalation: Escalation) -> EscalationPlan:
    found = {severity: escalation.policy(severity) for severity in Severity}
    return EscalationPlan(
        tell=tuple(_target(one) for one in escalation.tell),
        policies={severity: _policy(policy) for severity, policy in found.items() if policy is not None},
        default=None if escalation.default is None else _policy(escalation.default),
    )


def _stage(name: StageName, own: StageSettings) -> StagePlan:
    """Lay the document's stage over the shipped one; maps are merged severity by severity."""
    shipped = SHIPPED[name.value]
    watch = getattr(own, "watch", None)
    return StagePlan(
        clock={**(shipped.clock or {}), **(own.clock or {})},
        update_every={**(shipped.update_every or {}), **(own.update_every or {})},
        checklist=(own.checklist if own.checklist is not None else shipped.checklist) or (),
        gate=own.gate or shipped.gate or Gate.NONE,
        message=own.message or shipped.message,
        watch={**(shipped.watch or {}), **(watch or {})},
    )


def notifier_slice(document: Document) -> NotifierSlice:
    """How people are reached."""
    channels = document.channels
    return NotifierSlice(
        programme=document.programme,
        timezone=document.timezone,
        public_url=document.public_url.rstrip("/"),
        people={name: _addressable(person, document.timezone) for name, person in document.people.items()},
        email=_email(channels),
        sms=_sms(channels),
        chat=tuple(
            SlackHook(name=f"chat-slack-{at}", webhook=one.slack.webhook) for at, one in enumerate(channels.chat)
        ),
        webhook=tuple(
            WebhookTarget(name=f"webhook-{at}", url=one.url, secret=one.secret)
            for at, one in enumerate(channels.webhook)
        ),
    )


def _email(channels: Channels) -> tuple[SmtpAccount, ...]:
    return tuple(
        SmtpAccount(
            name=f"email-smtp-{at}",
            host=one.smtp.host,
            port=one.smtp.port,
            sender=one.smtp.from_,
            username=one.smtp.username,
            password=one.smtp.password,
            starttls=one.smtp.uses_starttls,
        )
        for at, one in enumerate(channels.email)
    )


def _sms(channels: Channels) -> tuple[TwilioAccount, ...]:
    return tuple(
        TwilioAccount(
            name=f"sms-twilio-{at}",
            account=one.twilio.account,
            token=one.twilio.token,
            sender=one.twilio.from_,
            api_url=one.twilio.api_url.rstrip("/"),
        )
        for at, one in enumerate(channels.sms)
    )


def _addressable(person: Person, timezone: str) -> Addressable:
    return Addressable(
        name=person.name,
        timezone=person.timezone or timezone,
        language=person.language,
        reach=tuple(Contact(kind=one.kind, address=one.address) for one in person.reach),
    )
