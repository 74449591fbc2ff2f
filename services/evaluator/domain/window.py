"""Exact sliding windows over one series. A window at t holds the values of (t - over, t]: open on the left."""

import math
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from services.evaluator.domain.quantile import interpolate, quantile, verdict_by_count


class Window(Protocol):
    """What a rule asks of a window."""

    values: deque[float]
    """What it holds, oldest first; read, never changed, by others."""

    def add(self, at_ns: int, value: float) -> None:
        """Take a finite value; instants must rise."""

    def slide(self, now_ns: int) -> None:
        """Drop what is no longer inside."""

    def is_calm(self) -> bool:
        """Whether the aggregate is certainly not above the lowest threshold of interest."""

    def is_above(self, threshold: float) -> bool:
        """Whether the aggregate is above (strictly) a threshold, not lower than the lowest of interest; not empty."""

    def aggregate(self) -> float:
        """The aggregate; the window must not be empty."""

    def contents(self) -> tuple[list[int], list[float]]:
        """Times and values, oldest first: all that is needed to build it again."""


class OrderWindow:
    """For least, greatest and percentiles. Keeps in order only the values above `floor`: on a quiet day, none."""

    __slots__ = ("_floor", "_over_ns", "_percent", "_tail", "_times", "values")

    def __init__(self, over_ns: int, percent: int, floor: float) -> None:
        self._over_ns = over_ns
        self._percent = percent
        self._floor = floor
        self._times: deque[int] = deque()
        self.values: deque[float] = deque()
        self._tail: list[float] = []

    def add(self, at_ns: int, value: float) -> None:
        """See Window."""
        self._times.append(at_ns)
        self.values.append(value)
        if value > self._floor:
            insort(self._tail, value)

    def slide(self, now_ns: int) -> None:
        """See Window."""
        times, edge = self._times, now_ns - self._over_ns
        while times and times[0] <= edge:
            times.popleft()
            value = self.values.popleft()
            if value > self._floor:
                del self._tail[bisect_left(self._tail, value)]

    def is_calm(self) -> bool:
        """See Window."""
        return not self._tail

    def is_above(self, threshold: float) -> bool:
        """See Window."""
        tail, n = self._tail, len(self.values)
        first = bisect_right(tail, threshold)
        by_count = verdict_by_count(n, len(tail) - first, self._percent)
        if by_count is not None:
            return by_count
        # The threshold separates the two neighbours, so the upper one is the first value above it.
        lower = tail[first - 1] if first else max(value for value in self.values if value <= threshold)
        return interpolate(lower, tail[first], self._percent * (n - 1) % 100, 100) > threshold

    def aggregate(self) -> float:
        """See Window. Sorts: asked only when something is said."""
        return quantile(sorted(self.values), self._percent)

    def contents(self) -> tuple[list[int], list[float]]:
        """See Window."""
        return list(self._times), list(self.values)


class MeanWindow:
    """For the mean, exactly rounded however long it slides.

    A running float sum drifts: 1e15 that enters and leaves takes the decimals of everybody else with it. The sum is
    therefore kept as Shewchuk's non-overlapping parts, whose exact total is the exact sum.
    """

    __slots__ = ("_floor", "_over_ns", "_parts", "_times", "values")

    def __init__(self, over_ns: int, floor: float) -> None:
        self._over_ns = over_ns
        self._floor = floor
        self._times: deque[int] = deque()
        self.values: deque[float] = deque()
        self._parts: list[float] = []

    def add(self, at_ns: int, value: float) -> None:
        """See Window."""
        self._times.append(at_ns)
        self.values.append(value)
        add_exactly(self._parts, value)

    def slide(self, now_ns: int) -> None:
        """See Window."""
        times, edge = self._times, now_ns - self._over_ns
        while times and times[0] <= edge:
            times.popleft()
            add_exactly(self._parts, -self.values.popleft())

    def is_calm(self) -> bool:
        """See Window."""
        return not self.is_above(self._floor)

    def is_above(self, threshold: float) -> bool:
        """See Window."""
        return self.aggregate() > threshold

    def aggregate(self) -> float:
        """See Window."""
        return math.fsum(self._parts) / len(self.values)

    def contents(self) -> tuple[list[int], list[float]]:
        """See Window."""
        return list(self._times), list(self.values)


def add_exactly(parts: list[float], value: float) -> None:
    """Add to a sum kept as non-overlapping parts, of rising magnitude, without losing a bit."""
    kept = 0
    for part in parts:
        big, small = (value, part) if abs(value) >= abs(part) else (part, value)
        total = big + small
        error = small - (total - big)
        if error:
            parts[kept] = error
            kept += 1
        value = total
    parts[kept:] = [value] if value else []


def refill(window: Window, times: Sequence[int], values: Sequence[float]) -> None:
    """Put back what `contents` gave. The exact sum does not depend on its parts, so nothing else need be kept."""
    for at_ns, value in zip(times, values, strict=True):
        window.add(at_ns, value)
