"""Cut out what the console shows."""

from shared.config.checks import Check
from shared.config.cut_probing import bands_of, partition_in
from shared.config.model import Document
from shared.config.rules import Rule
from shared.config.slice_models import (
    ConsoleCheck,
    ConsoleRule,
    ConsoleService,
    ConsoleSlice,
)
from shared.values import CheckId, ServiceId, format_duration


def console_slice(document: Document) -> ConsoleSlice:
    """Names and thresholds."""
    return ConsoleSlice(
        programme=document.programme,
        timezone=document.timezone,
        public_url=document.public_url.rstrip("/"),
        locations=document.locations,
        services={
            name: ConsoleService(
                description=one.description, runbook=one.runbook, partition=partition_in(document, name)
            )
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
        bands=() if window is None else bands_of(window, check),
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
