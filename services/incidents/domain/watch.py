"""The watch after a repair: thirty minutes mean thirty minutes covered by samples."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

COVERAGE_SPAN = timedelta(minutes=1)
"""An open set's coverage speaks of the minute before it, and of no more."""


@dataclass(frozen=True)
class Watch:
    """How much was asked for and how much was seen, in seconds; `counted_until` guards against counting twice."""

    needed_s: float
    covered_s: float
    counted_until: datetime

    @property
    def is_over(self) -> bool:
        """Enough was seen. A millisecond is forgiven: coverage is a quotient of whole numbers."""
        return self.covered_s >= self.needed_s - 0.001


def begin(needed: timedelta, now: datetime) -> Watch:
    """Nothing seen yet."""
    return Watch(needed.total_seconds(), 0.0, now)


def seen(watch: Watch, at: datetime, coverage: float) -> Watch:
    """Count what a statement made `at` (UTC) says of the time since the last one; `coverage` is 0 to 1.

    Time that no statement speaks of counts nothing: after an hour of silence one statement adds at most its minute.
    A statement from before the last counted instant changes nothing.
    """
    since = max(watch.counted_until, at - COVERAGE_SPAN)
    span_s = (at - since).total_seconds()
    if span_s <= 0:
        return watch
    return replace(watch, covered_s=watch.covered_s + span_s * min(1.0, max(0.0, coverage)), counted_until=at)
