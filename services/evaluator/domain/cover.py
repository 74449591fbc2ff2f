"""Whether a window holds enough of its span to be judged by."""

from typing import Final

NEVER_YET: Final = -(1 << 62)
"""Earlier than every instant: no value has come yet."""


class Cover:
    """A window is covered once values have come for its whole length, and it holds at least half of those due in it.

    The first says that "p95 over 5m" means five minutes: at a start, two slow answers of three are no percentile. The
    second holds after a hole in the middle, when a few old values and a few new ones would speak for all of it. A hole
    as long as the window is a new start.
    """

    __slots__ = ("_needed", "_over_ns", "begun_ns", "newest_ns")

    def __init__(self, over_ns: int, interval_ns: int) -> None:
        self._over_ns = over_ns
        self.expect(interval_ns)
        self.begun_ns = NEVER_YET
        """Since when values come without a hole as long as the window."""
        self.newest_ns = NEVER_YET

    def expect(self, interval_ns: int) -> None:
        """Values are due at this interval from now on. Half of 60 is 30, of 5 is 3, and one is always needed."""
        self._needed = max(1, -(-(self._over_ns // interval_ns) // 2))

    def take(self, at_ns: int) -> None:
        """A value has come; instants rise."""
        if at_ns - self.newest_ns > self._over_ns:
            self.begun_ns = at_ns
        self.newest_ns = at_ns

    def is_enough(self, now_ns: int, held: int) -> bool:
        """Whether a window that holds so many values now can be judged by."""
        return held >= self._needed and now_ns - self.begun_ns >= self._over_ns
