"""From the configuration's slice to a partition's plan."""

from datetime import timedelta
from typing import Final

import pytest

from services.evaluator.compile import compile_plan
from services.evaluator.domain.plan import Aggregate, BandPlan, CheckKind, Direction, FailedPlan, WindowPlan
from services.evaluator.domain.records import PlanApplied
from shared.config import EvaluatorSlice
from shared.values import CheckId, Partition, RuleId, Severity
from tests.unit.evaluator.story import Story, at

CHECK: Final = {
    "service": "shop", "partition": 3, "kind": "http", "every": "PT5S", "timeout": "PT2S", "grace": "PT5S",
    "values": {"hits": "percent", "age": "s"}, "locations": ["main"],
}  # fmt: skip
RULE: Final = {
    "check": "web", "service": "shop", "symptom": "web-down", "pending_for": "PT30S", "keep_firing_for": "PT1M",
}  # fmt: skip
SLICE: Final = {
    "programme": "go-live", "locations": ["main"], "partitions": 16, "prober_grace": "PT10S",
    "services": {"shop": 3, "bank": 4},
    "checks": {
        "web": CHECK,
        "backup": {**CHECK, "kind": "heartbeat", "every": "PT24H", "timeout": "PT0S", "grace": "PT1H", "values": {}},
        "till": {**CHECK, "service": "bank", "partition": 4},
    },
    "rules": {
        "web-down": {
            **RULE, "condition": "failed", "failed": {"at_least": 2, "of": 3}, "severity": "critical", "ok_in_a_row": 2
        },
        "web-slow": {
            **RULE, "condition": "p95", "margin": 0.1,
            "window": {
                "aggregate": "p95", "of": "total", "unit": "s", "over": "PT5M", "direction": "above",
                "bands": [
                    {"severity": "medium", "value": 0.2, "text": "200ms"},
                    {"severity": "critical", "value": 1.0, "text": "1s"},
                ],
            },
        },
        "backup-missed": {**RULE, "check": "backup", "condition": "no_data", "severity": "high"},
        "till-down": {
            **RULE, "check": "till", "condition": "failed", "failed": {"at_least": 1, "of": 1}, "severity": "low"
        },
    },
}  # fmt: skip


def test_a_partition_gets_its_own_checks_and_rules_and_no_others() -> None:
    config = EvaluatorSlice.model_validate(SLICE)
    plan = compile_plan(config, Partition(3), 7)
    assert [check.check for check in plan.checks] == ["backup", "web"]
    assert [rule.rule for rule in plan.rules] == ["backup-missed", "web-down", "web-slow"]
    assert (plan.revision, plan.digest, plan.locations) == (7, config.digest(), ("main",))
    assert compile_plan(config, Partition(9), 7).checks == ()


def test_spans_are_nanoseconds_and_values_are_named() -> None:
    backup, web = compile_plan(EvaluatorSlice.model_validate(SLICE), Partition(3), 7).checks
    assert (web.interval_ns, web.timeout_ns, web.grace_ns) == (5_000_000_000, 2_000_000_000, 5_000_000_000)
    assert web.series == ("total", "age", "hits")
    assert (backup.kind, backup.series) == (CheckKind.HEARTBEAT, ())
    assert backup.patience_ns == timedelta(hours=25) // timedelta(microseconds=1) * 1000


def test_each_condition_becomes_its_plan_worst_band_first() -> None:
    silence, failures, window = compile_plan(EvaluatorSlice.model_validate(SLICE), Partition(3), 7).rules
    assert (silence.failed, silence.window, silence.bands) == (None, None, (BandPlan(Severity.HIGH),))
    assert (failures.failed, failures.for_ns) == (FailedPlan(2, 3, 2), 30_000_000_000)
    assert window.window == WindowPlan(Aggregate.P95, "total", "s", 300_000_000_000, Direction.ABOVE, 0.1)
    assert window.bands == (BandPlan(Severity.CRITICAL, 1.0, "1s"), BandPlan(Severity.MEDIUM, 0.2, "200ms"))


def test_a_rule_without_a_severity_is_refused_by_name() -> None:
    config = EvaluatorSlice.model_validate(SLICE)
    broken = config.rules[RuleId("web-down")].model_copy(update={"severity": None})
    config = config.model_copy(update={"rules": {RuleId("web-down"): broken}})
    with pytest.raises(ValueError, match=r"rules\.web-down: names no severity"):
        compile_plan(config, Partition(3), 7)


def test_a_compiled_plan_runs_and_survives_a_restart() -> None:
    story = Story().take(PlanApplied(at(0), compile_plan(EvaluatorSlice.model_validate(SLICE), Partition(3), 7)))
    assert story.restart().partition.series["main"].keys() == {CheckId("backup"), CheckId("web")}  # type: ignore[index]  # plain words serve
