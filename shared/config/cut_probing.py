"""Cut out what prober and evaluator need."""

from typing import Literal, cast

from shared.config.checks import Check, Http
from shared.config.model import Document
from shared.config.rules import Rule, Window
from shared.config.secret_refs import SecretRef
from shared.config.slice_models import (
    Band,
    EvaluatedCheck,
    EvaluatedRule,
    EvaluatorSlice,
    FailedCondition,
    HeartbeatProbe,
    HttpProbe,
    JsonCondition,
    ProbeCheck,
    ProberSlice,
    ReadNumber,
    WindowCondition,
)
from shared.values import CheckId, Partition, ServiceId, partition_of


def partition_in(document: Document, service: str) -> Partition:
    """Return the partition of a service under this document."""
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
        partition=partition_in(document, check.service),
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
        services={name: partition_in(document, name) for name in document.services},
        checks={name: _evaluated_check(document, check) for name, check in document.checks.items()},
        rules={
            name: _evaluated_rule(name, rule, document.checks[CheckId(rule.check)])
            for name, rule in document.rules.items()
        },
    )


def _evaluated_check(document: Document, check: Check) -> EvaluatedCheck:
    return EvaluatedCheck(
        service=ServiceId(check.service),
        partition=partition_in(document, check.service),
        kind=check.kind,
        every=check.interval,
        timeout=check.time_limit,
        grace=check.patience,
        values={} if check.http is None else {name: value.unit for name, value in check.http.read.items()},
        locations=document.locations,
    )


def bands_of(window: Window, check: Check) -> tuple[Band, ...]:
    """Return a window's thresholds in the unit of what it measures, worst first."""
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
        bands=bands_of(window, check),
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
