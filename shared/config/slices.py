"""Cut a document into what each service may know of it."""

from typing import Final, Literal, TypeAlias, cast

from shared.config.checks import Check, Http
from shared.config.model import Document
from shared.config.people import Channels, Escalation, Person, Policy, Reach
from shared.config.rules import Rule, Window
from shared.config.slice_models import (
    Addressable,
    Band,
    ConsoleCheck,
    ConsoleRule,
    ConsoleService,
    ConsoleSlice,
    Contact,
    EscalationPlan,
    EvaluatedCheck,
    EvaluatedRule,
    EvaluatorSlice,
    FailedCondition,
    HeartbeatProbe,
    HttpProbe,
    IncidentsSlice,
    JsonCondition,
    NotifierSlice,
    PersonCard,
    PolicyPlan,
    ProbeCheck,
    ProberSlice,
    ReadNumber,
    RuleCard,
    ServiceCard,
    SlackHook,
    Slice,
    SmtpAccount,
    StageName,
    StagePlan,
    StepPlan,
    Target,
    TwilioAccount,
    WebhookTarget,
    WindowCondition,
)
from shared.config.types import SecretRef
from shared.config.workflow import SHIPPED, Gate, StageSettings
from shared.values import CheckId, Partition, PersonId, ServiceId, Severity, format_duration, partition_of

ServiceName: TypeAlias = Literal["prober", "evaluator", "incidents", "notifier", "console"]

SLICE_TYPES: Final[dict[str, type[Slice]]] = {
    "prober": ProberSlice,
    "evaluator": EvaluatorSlice,
    "incidents": IncidentsSlice,
    "notifier": NotifierSlice,
    "console": ConsoleSlice,
}


def slices(document: Document) -> dict[str, Slice]:
    """Return every service's slice, by the service's name."""
    return {
        "prober": prober_slice(document),
        "evaluator": evaluator_slice(document),
        "incidents": incidents_slice(document),
        "notifier": notifier_slice(document),
        "console": console_slice(document),
    }


def partition_spread(document: Document) -> dict[Partition, list[ServiceId]]:
    """Return the services of every partition, also of the empty ones (for `hypercare plan`)."""
    partitions = document.evaluation.partitions
    spread: dict[Partition, list[ServiceId]] = {Partition(one): [] for one in range(partitions)}
    for service in document.services:
        spread[partition_of(service, partitions)].append(service)
    return spread


def _partition(document: Document, service: str) -> Partition:
    return partition_of(service, document.evaluation.partitions)


def prober_slice(document: Document) -> ProberSlice:
    """What to look at."""
    return ProberSlice(
        programme=document.programme,
        locations=document.locations,
        partitions=document.evaluation.partitions,
        checks={name: _probe(document, check) for name, check in document.checks.items()},
    )


def _probe(document: Document, check: Check) -> ProbeCheck:
    heartbeat = check.heartbeat
    return ProbeCheck(
        service=ServiceId(check.service),
        partition=_partition(document, check.service),
        kind=check.kind,
        every=check.interval,
        timeout=check.time_limit,
        http=None if check.http is None else _http_probe(check.http),
        heartbeat=None if heartbeat is None else HeartbeatProbe(every=heartbeat.every, grace=heartbeat.grace),
    )


def _http_probe(http: Http) -> HttpProbe:
    secret = {name: value for name, value in http.headers.items() if value.startswith(("env:", "file:/"))}
    expect = http.expect
    return HttpProbe(
        url=http.url,
        method=http.method,
        headers={name: value for name, value in http.headers.items() if name not in secret},
        secret_headers={name: SecretRef.read(value) for name, value in secret.items()},
        statuses=expect.status,
        response_headers={name.lower(): value for name, value in expect.headers.items()},
        contains=expect.body.contains,
        regexes=expect.body.regex,
        json_conditions=tuple(JsonCondition(path=one.path, op=one.op, value=one.value) for one in expect.json_),
        read={name: ReadNumber(path=value.path, unit=value.unit) for name, value in http.read.items()},
        max_redirects=http.follow_redirects,
        verify_tls=http.verify_tls,
    )


def evaluator_slice(document: Document) -> EvaluatorSlice:
    """What to count, and when to say so."""
    return EvaluatorSlice(
        programme=document.programme,
        locations=document.locations,
        partitions=document.evaluation.partitions,
        prober_grace=document.evaluation.prober_grace,
        restate_every=document.evaluation.restate_every,
        services={name: _partition(document, name) for name in document.services},
        checks={name: _evaluated_check(document, check) for name, check in document.checks.items()},
        rules={
            name: _evaluated_rule(name, rule, document.checks[CheckId(rule.check)])
            for name, rule in document.rules.items()
        },
    )


def _evaluated_check(document: Document, check: Check) -> EvaluatedCheck:
    return EvaluatedCheck(
        service=ServiceId(check.service),
        partition=_partition(document, check.service),
        kind=check.kind,
        every=check.interval,
        timeout=check.time_limit,
        grace=check.patience,
        values={} if check.http is None else {name: value.unit for name, value in check.http.read.items()},
        locations=document.locations,
    )


def _bands(window: Window, check: Check) -> tuple[Band, ...]:
    unit = check.units[window.of]
    return tuple(
        Band(severity=severity, value=threshold.measured_in(unit), text=threshold.text)
        for severity, threshold in window.bands.items()
    )


def _window(rule: Rule, check: Check) -> WindowCondition | None:
    window = rule.window
    if window is None:
        return None
    return WindowCondition(
        aggregate=cast("Literal['mean', 'min', 'max', 'p50', 'p95', 'p99']", rule.condition.value),
        of=window.of,
        unit=check.units[window.of],
        over=window.over,
        direction=window.direction,
        bands=_bands(window, check),
    )


def _evaluated_rule(name: str, rule: Rule, check: Check) -> EvaluatedRule:
    clear, failed = rule.clear, rule.failed
    return EvaluatedRule(
        check=CheckId(rule.check),
        service=ServiceId(check.service),
        condition=rule.condition,
        failed=None if failed is None else FailedCondition(at_least=failed.at_least, of=failed.of),
        window=_window(rule, check),
        severity=rule.severity,
        symptom=rule.symptom or name,
        ok_in_a_row=clear.ok_in_a_row if clear else None,
        margin=(clear.margin if clear else None) or 0.0,
        pending_for=rule.for_,
        keep_firing_for=(clear.for_ if clear else None) or rule.keep_firing_for,
    )


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


def console_slice(document: Document) -> ConsoleSlice:
    """Names and thresholds."""
    return ConsoleSlice(
        programme=document.programme,
        timezone=document.timezone,
        public_url=document.public_url.rstrip("/"),
        locations=document.locations,
        services={
            name: ConsoleService(description=one.description, runbook=one.runbook, partition=_partition(document, name))
            for name, one in document.services.items()
        },
        checks={name: _console_check(check) for name, check in document.checks.items()},
        rules={
            name: _console_rule(rule, document.checks[CheckId(rule.check)]) for name, rule in document.rules.items()
        },
        people={name: person.name for name, person in document.people.items()},
    )


def _console_check(check: Check) -> ConsoleCheck:
    return ConsoleCheck(
        service=ServiceId(check.service),
        kind=check.kind,
        every=check.interval,
        values={} if check.http is None else {name: value.unit for name, value in check.http.read.items()},
        target=None if check.http is None else check.http.url.split("?")[0].split("#")[0],
    )


def _console_rule(rule: Rule, check: Check) -> ConsoleRule:
    window = rule.window
    return ConsoleRule(
        check=CheckId(rule.check),
        service=ServiceId(check.service),
        summary=summary_of(rule),
        bands=() if window is None else _bands(window, check),
        of=None if window is None else window.of,
        severity=rule.severity,
    )


def summary_of(rule: Rule) -> str:
    """Say the condition in one line: `p95 of total over 5m above 1s critical, 500ms high`."""
    if rule.failed is not None:
        return f"{rule.failed.at_least} of {rule.failed.of} failed"
    window = rule.window
    if window is None:
        return "no data"
    bands = ", ".join(f"{threshold.text} {severity}" for severity, threshold in window.bands.items())
    return f"{rule.condition} of {window.of} over {format_duration(window.over)} {window.direction} {bands}"
