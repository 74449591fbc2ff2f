"""From the configuration's slice to the plan of one partition: the engine knows no configuration."""

from datetime import timedelta

from services.evaluator.domain.plan import (
    TOTAL,
    Aggregate,
    BandPlan,
    CheckKind,
    CheckPlan,
    Direction,
    FailedPlan,
    PartitionPlan,
    RulePlan,
    WindowPlan,
)
from shared.config import EvaluatorSlice
from shared.config.slice_models import EvaluatedCheck, EvaluatedRule, FailedCondition, WindowCondition
from shared.values import CheckId, Partition, RuleId, Severity


def compile_plan(config: EvaluatorSlice, partition: Partition, revision: int) -> PartitionPlan:
    """Return what one partition is judged by; without checks if it has none.

    Raises ValueError for a rule that names no severity: the document's validation lets none through.
    """
    checks = {name: check for name, check in config.checks.items() if check.partition == partition}
    return PartitionPlan(
        partition=partition,
        revision=revision,
        digest=config.digest(),
        checks=tuple(_check(name, checks[name]) for name in sorted(checks)),
        rules=tuple(_rule(name, rule) for name, rule in sorted(config.rules.items()) if rule.check in checks),
        locations=config.locations,
        prober_grace_ns=_ns(config.prober_grace),
        restate_ns=_ns(config.restate_every),
    )


def _ns(span: timedelta) -> int:
    return span // timedelta(microseconds=1) * 1000


def _check(name: CheckId, check: EvaluatedCheck) -> CheckPlan:
    kind = CheckKind(check.kind.value)
    return CheckPlan(
        check=name,
        service=check.service,
        kind=kind,
        interval_ns=_ns(check.every),
        timeout_ns=_ns(check.timeout),
        grace_ns=_ns(check.grace),
        locations=check.locations,
        series=(() if kind is CheckKind.HEARTBEAT else (TOTAL,)) + tuple(sorted(check.values)),
    )


def _rule(name: RuleId, rule: EvaluatedRule) -> RulePlan:
    return RulePlan(
        rule=name,
        check=rule.check,
        service=rule.service,
        symptom=rule.symptom,
        bands=_bands(name, rule),
        for_ns=_ns(rule.pending_for),
        keep_firing_ns=_ns(rule.keep_firing_for),
        failed=None if rule.failed is None else _failed(rule.failed, rule.ok_in_a_row),
        window=None if rule.window is None else _window(rule.window, rule.margin),
    )


def _bands(name: RuleId, rule: EvaluatedRule) -> tuple[BandPlan, ...]:
    if rule.window is not None:
        worst_first = sorted(rule.window.bands, key=lambda band: -Severity(band.severity).rank)
        return tuple(BandPlan(band.severity, band.value, band.text) for band in worst_first)
    if rule.severity is None:
        raise ValueError(f"rules.{name}: names no severity")
    return (BandPlan(rule.severity),)


def _failed(condition: FailedCondition, ok_in_a_row: int | None) -> FailedPlan:
    return FailedPlan(at_least=condition.at_least, of_last=condition.of, ok_in_a_row=ok_in_a_row)


def _window(condition: WindowCondition, margin: float) -> WindowPlan:
    return WindowPlan(
        aggregate=Aggregate(condition.aggregate),
        value=condition.of,
        unit=condition.unit.value,
        over_ns=_ns(condition.over),
        direction=Direction(condition.direction),
        margin=margin,
    )
