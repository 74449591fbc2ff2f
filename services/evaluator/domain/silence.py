"""What silence means, in log time: our own (a gap in the log), a location's (prober down), or a check's (missing)."""

from typing import Final

from services.evaluator.domain.plan import SECOND_NS
from shared.values import Location

LONGEST_QUIET_NS: Final = 5 * SECOND_NS
"""Longer without a record (of the log, or of a location) is a hole: deadlines jump over it."""
FURTHEST_AHEAD_NS: Final = 5 * SECOND_NS
"""A sample may be due this much later than log time; more is a wrong clock, and refused."""


class Sight:
    """Since when, and until when, one location can be trusted to see.

    A location sees while batches arrive, unless they hold samples of which none can be used (all from the future, or
    all so old that they say nothing about now): then its clock is wrong, if that goes on. Time in which it did not see
    is a hole. Deadlines of its checks wait for it to see again, and are then extended by the hole's length plus their
    grace, so that a silent prober is never a silent target.
    """

    __slots__ = ("confused_since_ns", "down_at_ns", "hole_end_ns", "hole_start_ns", "location", "seen_ns")

    def __init__(self, location: Location, now_ns: int, prober_grace_ns: int) -> None:
        self.location = location
        self.seen_ns = now_ns
        """Log time of the last batch that proves sight."""
        self.down_at_ns = now_ns + prober_grace_ns
        """The deadline: unseen at this log time, the location is down."""
        self.confused_since_ns = 0
        """Log time since when no batch with samples had one that could be used; 0 when the last one had."""
        self.hole_start_ns = 0
        self.hole_end_ns = 0

    def bridge(self, gap_ns: int, prober_grace_ns: int) -> None:
        """The whole log was silent so long: our own silence is not the location's."""
        self.down_at_ns += gap_ns + prober_grace_ns

    def hear(self, now_ns: int, prober_grace_ns: int, *, samples: bool, usable: bool) -> bool:
        """Take note of a batch; return whether it proves sight, which decides whether deadlines are looked at."""
        if samples:
            self.confused_since_ns = 0 if usable else self.confused_since_ns or now_ns
        if self.confused_since_ns:
            return False
        if now_ns - self.seen_ns > LONGEST_QUIET_NS:
            self.hole_start_ns, self.hole_end_ns = self.seen_ns, now_ns
        self.seen_ns = now_ns
        self.down_at_ns = now_ns + prober_grace_ns
        return True

    def has_wrong_clock(self, now_ns: int) -> bool:
        """Whether it has been confused for too long for one that only catches up on what it could not send."""
        return bool(self.confused_since_ns) and now_ns - self.confused_since_ns >= LONGEST_QUIET_NS

    def reach(self, from_ns: int, wait_ns: int, grace_ns: int) -> int:
        """The log time at which a wait that began at `from_ns` is over, the last hole taken into account."""
        until_ns = from_ns + wait_ns
        if from_ns < self.hole_end_ns and until_ns > self.hole_start_ns:
            until_ns += self.hole_end_ns - max(from_ns, self.hole_start_ns) + grace_ns
        return until_ns
