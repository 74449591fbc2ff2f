"""The three kinds of rules, each at one location: failures, an aggregate over a window, silence."""

import math
from typing import Protocol, cast

from services.evaluator.domain import phrasing
from services.evaluator.domain.bands import Bands
from services.evaluator.domain.cover import Cover
from services.evaluator.domain.ledger import Ledger
from services.evaluator.domain.plan import TOTAL, Aggregate, CheckPlan, Direction, FailedPlan, RulePlan, WindowPlan
from services.evaluator.domain.records import Sample
from services.evaluator.domain.streak import Streak
from services.evaluator.domain.verdicts import Cause, Finding, What
from services.evaluator.domain.window import MeanWindow, OrderWindow, Window
from shared.values import Location, Outcome

LARGEST = 1e150
"""Magnitudes are cut here: an answer with 1e308 in it must not overflow a sum and with it the partition."""


def bounded(value: float) -> float:
    """Cut a number to a magnitude that can be added up."""
    return value if -LARGEST < value < LARGEST else math.copysign(LARGEST, value)


class Rule(Protocol):
    """What a series asks of its rules."""

    plan: RulePlan
    bands: Bands

    def observe(self, sample: Sample, at_ns: int) -> None:
        """Take a known sample (ok or failed) of the series; unknown ones are not shown to rules."""

    def adopt(self, check: CheckPlan) -> None:
        """The check goes on under other spans."""


class FailedRule:
    """At least n of the last m samples failed."""

    __slots__ = ("_failed", "_reason", "bands", "plan", "streak")

    def __init__(self, plan: RulePlan, location: Location, ledger: Ledger) -> None:
        self.plan = plan
        self._failed = cast("FailedPlan", plan.failed)
        self._reason: str | None = None
        self.streak = Streak(self._failed.of_last)
        self.bands = Bands(plan, location, ledger, Cause.THRESHOLD, self._describe)

    def observe(self, sample: Sample, at_ns: int) -> None:
        """See Rule."""
        has_failed = sample.outcome == Outcome.FAILED
        streak, bands = self.streak, self.bands
        streak.push(failed=has_failed)
        if has_failed:
            self._reason = sample.reason
        elif bands.is_idle and not streak.bits:
            return
        bands.feed(0, at_ns, sample.took_s, is_true=self._is_true())
        bands.conclude(at_ns)

    def adopt(self, check: CheckPlan) -> None:
        """See Rule. It counts samples, not time."""

    def _is_true(self) -> bool:
        enough = self._failed.ok_in_a_row
        if enough is None or not self.bands.is_holding(0):
            return self.streak.failures >= self._failed.at_least
        if self.streak.ok_in_a_row < enough:
            return True
        self.streak.forgive()
        return False

    def _describe(self, level: int | None) -> Finding:
        if level is None:
            return Finding(f"{self.streak.ok_in_a_row} good in a row")
        failures, of_last = self.streak.failures, self._failed.of_last
        return Finding(phrasing.failed(failures, of_last, self._reason), float(failures), float(self._failed.at_least))

    @property
    def reason(self) -> str | None:
        """Why the last failed sample failed."""
        return self._reason

    def restore(self, bits: int, ok_in_a_row: int, reason: str | None) -> None:
        """Put a checkpoint's state back."""
        self.streak.bits, self.streak.ok_in_a_row, self._reason = bits, ok_in_a_row, reason


class WindowRule:
    """An aggregate above or below the thresholds of severity bands.

    "Below" is "above" in a mirror: values, thresholds and percentages change sign, so that there is one logic to get
    right. A failed sample brings no value: how long a failure took says nothing about how slow the target is. While the
    window is not covered (see Cover), the condition is neither true nor false: nothing opens and nothing clears.
    """

    __slots__ = ("_enter", "_leave", "_ledger", "_sign", "_window_plan", "bands", "cover", "is_blind", "plan", "window")

    def __init__(self, plan: RulePlan, check: CheckPlan, location: Location, ledger: Ledger) -> None:
        self.plan = plan
        self._ledger = ledger
        self._window_plan = cast("WindowPlan", plan.window)
        self._sign = 1.0 if self._window_plan.direction is Direction.ABOVE else -1.0
        self._enter = tuple(self._sign * band.threshold for band in plan.bands)
        self._leave = tuple(_leaving(threshold, self._window_plan.margin) for threshold in self._enter)
        self.window = _window(self._window_plan, min(self._leave))
        self.cover = Cover(self._window_plan.over_ns, check.interval_ns)
        self.is_blind = False
        """Whether the window was empty at the last sample."""
        self.bands = Bands(plan, location, ledger, Cause.THRESHOLD, self._describe)

    def observe(self, sample: Sample, at_ns: int) -> None:
        """See Rule."""
        window = self.window
        window.slide(at_ns)
        if sample.outcome == Outcome.OK:
            self._add_value(sample, at_ns)
        if not window.values:
            self._say_blind(at_ns)
            return
        self.is_blind = False
        if not (self.bands.is_idle and window.is_calm()) and self.cover.is_enough(at_ns, len(window.values)):
            self._judge(at_ns, sample.took_s)

    def _add_value(self, sample: Sample, at_ns: int) -> None:
        name = self._window_plan.value
        value = sample.took_s if name == TOTAL else sample.values.get(name)
        if value is not None:
            self.cover.take(at_ns)
            self.window.add(at_ns, self._sign * bounded(value))

    def adopt(self, check: CheckPlan) -> None:
        """See Rule."""
        self.cover.expect(check.interval_ns)

    def _judge(self, at_ns: int, took_s: float) -> None:
        bands = self.bands
        for band, (enter, leave) in enumerate(zip(self._enter, self._leave, strict=True)):
            threshold = leave if bands.is_holding(band) else enter
            bands.feed(band, at_ns, took_s, is_true=self.window.is_above(threshold))
        bands.conclude(at_ns)

    def _say_blind(self, at_ns: int) -> None:
        if not self.is_blind:
            self.is_blind = True
            key = self.bands.key
            self._ledger.note(What.NO_VALUES, at_ns, key.location, key.check, key.rule)

    def _describe(self, level: int | None) -> Finding:
        if not self.window.values:
            return Finding(f"{self._window_plan.aggregate} of {self._window_plan.value}: no values now")
        value = self._sign * self.window.aggregate()
        if level is None:
            return Finding(phrasing.window_now(self._window_plan, value), value)
        band = self.plan.bands[level]
        return Finding(phrasing.window_true(self._window_plan, value, band.text), value, band.threshold)


class NoDataRule:
    """Samples stay away while their prober is well. Told by its series: silence has no sample to observe."""

    __slots__ = ("_patience_ns", "bands", "plan")

    def __init__(self, plan: RulePlan, check: CheckPlan, location: Location, ledger: Ledger) -> None:
        self.plan = plan
        self._patience_ns = check.patience_ns
        self.bands = Bands(plan, location, ledger, Cause.NO_DATA, self._describe)

    def observe(self, sample: Sample, at_ns: int) -> None:  # noqa: ARG002  # whatever it says: data is back
        """See Rule. A straggler from before the silence ends it at the silence's own beginning, not before."""
        if not self.bands.is_idle:
            self.bands.feed(0, max(at_ns, self.bands.steps[0].since_ns), None, is_true=False)
            self.bands.conclude(max(at_ns, self.bands.steps[0].since_ns))

    def adopt(self, check: CheckPlan) -> None:
        """See Rule."""
        self._patience_ns = check.patience_ns

    def fall_silent(self, at_ns: int) -> None:
        """The deadline at `at_ns` has passed."""
        self.bands.feed(0, at_ns, None, is_true=True)
        self.bands.conclude(at_ns)

    def _describe(self, level: int | None) -> Finding:
        return Finding("samples are back" if level is None else phrasing.silent(self._patience_ns))


def rule_of(
    plan: RulePlan, check: CheckPlan, location: Location, ledger: Ledger
) -> FailedRule | WindowRule | NoDataRule:
    """Build the state of a rule on a check at a location, nothing seen yet."""
    if plan.failed is not None:
        return FailedRule(plan, location, ledger)
    if plan.window is not None:
        return WindowRule(plan, check, location, ledger)
    return NoDataRule(plan, check, location, ledger)


def _leaving(threshold: float, margin: float) -> float:
    """Where a band is left: at the threshold, or once better than the margin; exactly at the margin still holds."""
    return math.nextafter(threshold - abs(threshold) * margin, -math.inf) if margin else threshold


def _window(plan: WindowPlan, floor: float) -> Window:
    if plan.aggregate is Aggregate.MEAN:
        return MeanWindow(plan.over_ns, floor)
    percent = {Aggregate.MIN: 0, Aggregate.P50: 50, Aggregate.P95: 95, Aggregate.P99: 99, Aggregate.MAX: 100}
    rank = percent[plan.aggregate]
    return OrderWindow(plan.over_ns, rank if plan.direction is Direction.ABOVE else 100 - rank, floor)
