"""One check's minutes at one location: counts, coverage, and the exact summary of every declared value."""

import math
from collections.abc import Iterator

from services.evaluator.domain.plan import MINUTE_NS, TOTAL, CheckKind, CheckPlan
from services.evaluator.domain.quantile import quantile
from services.evaluator.domain.records import Sample
from services.evaluator.domain.rules import bounded
from services.evaluator.domain.verdicts import MinuteMeasurement, Summary
from shared.values import Location, Outcome

SHIPPED_VALUES = 60
"""Up to so many values travel with their summary, so that longer windows can be computed exactly from minutes."""
LONGEST_CATCH_UP_NS = 10 * MINUTE_NS
"""Minutes without a sample are stated with coverage 0, but a week of them is jumped over, not stated one by one."""


class MinuteBook:
    """The open minute. Minutes close in series time: by a later sample, or when none can come any more."""

    __slots__ = ("failed", "ok", "start_ns", "unknown", "values", "watched_from_ns")

    def __init__(self, plan: CheckPlan, watched_from_ns: int) -> None:
        self.watched_from_ns = watched_from_ns
        """Since when samples are expected."""
        self.start_ns = watched_from_ns // MINUTE_NS * MINUTE_NS
        self.ok = self.failed = self.unknown = 0
        self.values: dict[str, list[float]] = {name: [] for name in plan.series}

    @property
    def end_ns(self) -> int:
        """The first instant after the open minute."""
        return self.start_ns + MINUTE_NS

    def add(self, sample: Sample) -> None:
        """Count a sample of the open minute; one of a minute already closed is left out (it is stated only once)."""
        due = sample.due_at_ns
        if due < self.start_ns:
            return
        self.watched_from_ns = min(self.watched_from_ns, due)
        if sample.outcome == Outcome.OK:
            self.ok += 1
            self._add_values(sample)
        elif sample.outcome == Outcome.FAILED:
            self.failed += 1
        else:
            self.unknown += 1

    def _add_values(self, sample: Sample) -> None:
        for name, values in self.values.items():
            value = sample.took_s if name == TOTAL else sample.values.get(name)
            if value is not None:
                values.append(bounded(value))

    def close_before(
        self, now_ns: int, plan: CheckPlan, location: Location, phase_ns: int | None
    ) -> Iterator[MinuteMeasurement]:
        """Close every minute that ends at `now_ns` or before, and open the one `now_ns` is in.

        `phase_ns`: any instant of the check's grid, None before the first sample. Minutes in which nothing was due and
        nothing came are not stated.
        """
        current = now_ns // MINUTE_NS * MINUTE_NS
        while self.start_ns < current:
            expected = self._expected(plan, phase_ns)
            if expected or self.ok or self.failed or self.unknown:
                yield self._measurement(plan, location, expected)
            self._open(self.end_ns if current - self.end_ns <= LONGEST_CATCH_UP_NS else current)

    def _open(self, start_ns: int) -> None:
        self.start_ns = start_ns
        self.ok = self.failed = self.unknown = 0
        self.values = {name: [] for name in self.values}

    def _expected(self, plan: CheckPlan, phase_ns: int | None) -> int:
        """Grid points of the minute since we watch; a heartbeat has no grid, and what came was expected."""
        if plan.kind is CheckKind.HEARTBEAT:
            return self.ok + self.failed + self.unknown
        first = max(self.start_ns, self.watched_from_ns)
        every = plan.interval_ns
        if phase_ns is None:
            return (self.end_ns - first) // every
        return max(0, (self.end_ns - 1 - phase_ns) // every - (first - 1 - phase_ns) // every)

    def _measurement(self, plan: CheckPlan, location: Location, expected: int) -> MinuteMeasurement:
        return MinuteMeasurement(
            plan.service,
            plan.check,
            location,
            self.start_ns,
            self.ok,
            self.failed,
            self.unknown,
            expected,
            {name: summary_of(values) for name, values in self.values.items() if values},
        )


def summary_of(values: list[float]) -> Summary:
    """Summarise values, at least one."""
    ordered = sorted(values)
    return Summary(
        len(ordered),
        ordered[0],
        ordered[-1],
        math.fsum(ordered) / len(ordered),
        quantile(ordered, 50),
        quantile(ordered, 95),
        quantile(ordered, 99),
        tuple(ordered) if len(ordered) <= SHIPPED_VALUES else None,
    )
