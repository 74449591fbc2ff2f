"""The only place that asks the machine what time it is."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall and monotonic time; tests move their own (`tests/fakes/clock.py`)."""

    def now(self) -> datetime:
        """The current instant, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run back, of no fixed origin."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """The wall clock, UTC."""
        return datetime.now(UTC)  # noqa: TID251  # this is the one place

    def monotonic(self) -> float:
        """CLOCK_MONOTONIC."""
        return time.monotonic()

    def time_ns(self) -> int:
        """The wall clock in nanoseconds since the epoch."""
        return time.time_ns()  # noqa: TID251  # this is the one place


def from_ns(ns: int) -> datetime:
    """Turn nanoseconds since the epoch into an aware UTC instant (microseconds are kept, the rest is cut)."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)


def to_ns(at: datetime) -> int:
    """Turn an aware instant into nanoseconds since the epoch, exactly."""
    delta = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000_000 + delta.microseconds * 1000
