"""When a check is due: an epoch grid plus a hash phase, counted on the monotonic clock (ADR 0001).

All instants are integer nanoseconds since the epoch (`*_ns`) or of the monotonic clock (`mono_ns`), so that the grid
is exact for ever.
"""

import heapq
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from shared.values import CheckId

MS: Final = 1_000_000
S: Final = 1_000_000_000

DRIFT_LIMIT_NS: Final = S // 2
"""Wall and monotonic clock further apart than this: one of them was set, and a sample cannot be trusted."""
STEP_LASTS_NS: Final = 2 * S
"""A wall clock that stays away this long has been set on purpose: follow it."""


def phase_ns(check: CheckId, every_ns: int) -> int:
    """Return a check's place within its interval, in whole milliseconds: the same everywhere, spread evenly.

    The spread is what keeps a start from being a stampede: a thousand checks of one minute begin within a minute.
    """
    digest = blake2b(check.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % max(1, every_ns // MS) * MS


def next_due_ns(check: CheckId, every_ns: int, after_ns: int) -> int:
    """Return the first instant of the check's grid that is later than `after_ns`."""
    phase = phase_ns(check, every_ns)
    return ((after_ns - phase) // every_ns + 1) * every_ns + phase


def late_limit_ns(every_ns: int) -> int:
    """How late a probe may be and still speak for its `due_at`: a quarter of the interval, at least half a second."""
    return max(every_ns // 4, S // 2)


class Timeline:
    """The schedule's own clock: the monotonic one, anchored to the wall.

    A wall clock that is set does not move the schedule at once: while the two disagree by more than DRIFT_LIMIT_NS
    nothing seen can be trusted. When the disagreement lasts, the schedule follows the wall by one jump, for `due_at`
    must mean what the rest of the world calls that instant.
    """

    def __init__(self, wall_ns: int, mono_ns: int) -> None:
        self._offset_ns = wall_ns - mono_ns
        self._suspect: tuple[int, int] | None = None

    def at(self, mono_ns: int) -> int:
        """Schedule time of a monotonic instant."""
        return mono_ns + self._offset_ns

    def drift_ns(self, wall_ns: int, mono_ns: int) -> int:
        """How far the wall clock is ahead of the schedule; negative when behind."""
        return wall_ns - self.at(mono_ns)

    def is_in_doubt(self, wall_ns: int, mono_ns: int) -> bool:
        """Whether wall and schedule disagree too much to trust a sample."""
        return abs(self.drift_ns(wall_ns, mono_ns)) > DRIFT_LIMIT_NS

    def observe(self, wall_ns: int, mono_ns: int) -> int | None:
        """Look at both clocks; returns by how much the schedule has just jumped, or None."""
        drift = self.drift_ns(wall_ns, mono_ns)
        if abs(drift) <= DRIFT_LIMIT_NS:
            self._suspect = None
            return None
        since, seen = self._suspect or (mono_ns, drift)
        if abs(drift - seen) > DRIFT_LIMIT_NS:  # set again meanwhile: wait anew
            since, seen = mono_ns, drift
        self._suspect = (since, seen)
        if mono_ns - since < STEP_LASTS_NS:
            return None
        self._offset_ns += drift
        self._suspect = None
        return drift


@dataclass(frozen=True, slots=True)
class Due:
    """A check's turn. `missed`: turns before this one for which nobody was there to look."""

    check: CheckId
    due_ns: int
    missed: int = 0
    first_missed_ns: int = 0


class Agenda:
    """Which check is due next. Adding, removing and popping cost O(log n)."""

    def __init__(self) -> None:
        self._every_ns: dict[CheckId, int] = {}
        self._next: dict[CheckId, int] = {}
        self._heap: list[tuple[int, CheckId]] = []

    def __contains__(self, check: CheckId) -> bool:
        return check in self._every_ns

    def add(self, check: CheckId, every_ns: int, now_ns: int) -> None:
        """From now on; the first turn is the next instant of the check's grid."""
        self._every_ns[check] = every_ns
        self._plan(check, now_ns)

    def remove(self, check: CheckId) -> None:
        """No more turns; what is left in the heap is passed over."""
        self._every_ns.pop(check, None)
        self._next.pop(check, None)

    def jump(self, now_ns: int) -> None:
        """The timeline was moved: everything is planned anew from here, nothing is made up for."""
        self._heap.clear()
        for check in self._every_ns:
            self._plan(check, now_ns)

    def next_ns(self) -> int | None:
        """When somebody is due next; a lower bound."""
        return self._heap[0][0] if self._heap else None

    def pop(self, now_ns: int) -> list[Due]:
        """Take whoever is due. A turn that was slept through is counted, and only the latest is given."""
        turns: list[Due] = []
        while self._heap and self._heap[0][0] <= now_ns:
            due_ns, check = heapq.heappop(self._heap)
            if self._next.get(check) != due_ns:
                continue
            every_ns = self._every_ns[check]
            missed = (now_ns - due_ns) // every_ns
            turns.append(Due(check, due_ns + missed * every_ns, missed, due_ns))
            self._plan(check, now_ns)
        return turns

    def _plan(self, check: CheckId, after_ns: int) -> None:
        due_ns = next_due_ns(check, self._every_ns[check], after_ns)
        self._next[check] = due_ns
        heapq.heappush(self._heap, (due_ns, check))
