"""A condition in one line for people: numbers with units, rounded to what the eye needs."""

from datetime import timedelta
from typing import Final

from services.evaluator.domain.plan import WindowPlan
from shared.values import format_duration

_SUFFIX: Final = {"ms": " ms", "s": " s", "percent": " %", "ratio": "", "bytes": " B", "number": ""}
_SECOND: Final = "s"


def duration(span_ns: int) -> str:
    """Write a span as the configuration does: `1m30s`."""
    return format_duration(timedelta(microseconds=span_ns // 1000))


def quantity(value: float, unit: str) -> str:
    """Write a number in its unit with four significant digits; seconds below one are read better as milliseconds."""
    if unit == _SECOND and abs(value) < 1:
        value, unit = value * 1000, "ms"
    return f"{float(f'{value:.4g}'):,g}{_SUFFIX.get(unit, f' {unit}')}".replace(",", "")


def window_true(plan: WindowPlan, value: float, threshold: str) -> str:
    """Say `p95 of total over 5m is 1.24 s, above 1s`."""
    return f"{window_now(plan, value)}, {plan.direction} {threshold}"


def window_now(plan: WindowPlan, value: float) -> str:
    """Say `p95 of total over 5m is 1.24 s`."""
    return f"{plan.aggregate} of {plan.value} over {duration(plan.over_ns)} is {quantity(value, plan.unit)}"


def failed(failures: int, of_last: int, reason: str | None) -> str:
    """Say `2 of the last 3 samples failed: timeout`."""
    return f"{failures} of the last {of_last} samples failed" + (f": {reason}" if reason else "")


def silent(patience_ns: int) -> str:
    """Say that samples (of a heartbeat: pings) stay away."""
    return f"nothing heard for {duration(patience_ns)}"


def prober_silent(location: str, since_ns: int) -> str:
    """Say that a location is silent, as opposed to what it watches."""
    return f"no word from the probers at {location} for {duration(since_ns)}; what they watch is unknown"


def prober_clock(location: str) -> str:
    """Say that a location speaks, but of another time."""
    return f"the clock of the probers at {location} is wrong: their samples cannot be used"
