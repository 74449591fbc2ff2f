"""From one plan to the next: what is unchanged goes on as if nothing had happened."""

from services.evaluator.domain.ledger import Ledger
from services.evaluator.domain.plan import PartitionPlan, RulePlan
from services.evaluator.domain.series import AnyRule, Series
from services.evaluator.domain.verdicts import ClearReason
from shared.values import CheckId, RuleId


def rules_by_check(plan: PartitionPlan) -> dict[CheckId, tuple[RulePlan, ...]]:
    """Group rules by the check they look at, in order of name; checks without rules have none."""
    found: dict[CheckId, list[RulePlan]] = {check.check: [] for check in plan.checks}
    for rule in sorted(plan.rules, key=lambda one: one.rule):
        found[rule.check].append(rule)
    return {check: tuple(rules) for check, rules in found.items()}


def carry_over(old: Series, fresh: Series, ledger: Ledger) -> Series:
    """Return the old series under its new plan: same samples behind it, same minute, unchanged rules untouched.

    A rule that is written differently starts anew, and its breach ends as superseded.
    """
    before: dict[RuleId, AnyRule] = {rule.plan.rule: rule for rule in old.rules}
    rules: list[AnyRule] = []
    for rule in fresh.rules:
        was = before.get(rule.plan.rule)
        if was is not None and was.plan == rule.plan:
            rules.append(was)
            continue
        rules.append(rule)
        if was is not None:
            ledger.clear(was.bands.key, ledger.log_ns, ClearReason.SUPERSEDED, "the rule is written differently now")
    old.rules = tuple(rules)
    if old.plan.series != fresh.plan.series:
        values = old.minute.values
        old.minute.values = {name: values.get(name, []) for name in fresh.plan.series}
    old.adopt_plan(fresh.plan)
    return old
