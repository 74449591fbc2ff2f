"""`for` and `keep_firing_for`: how long a condition must hold before it counts, and how long it counts after it ended.

One table; an instant is always the series' own (`due_at`), never the time of arrival:

| phase   | true                          | false                          | its deadline passes |
|---------|-------------------------------|--------------------------------|---------------------|
| idle    | pending (firing if for = 0)   | -                              | -                   |
| pending | firing once true for `for`    | idle                           | firing              |
| firing  | -                             | keeping (idle if keep = 0)     | -                   |
| keeping | firing, same beginning        | idle once false for `keep`     | idle                |
"""

from enum import IntEnum
from typing import Final

NEVER: Final = 1 << 63
"""Later than every instant (nanoseconds); an integer, so that deadlines compare without a special case."""


class Phase(IntEnum):
    """Where a condition stands."""

    IDLE = 0
    PENDING = 1
    FIRING = 2
    KEEPING = 3


class Pending:
    """The state of one condition."""

    __slots__ = ("_for_ns", "_keep_ns", "deadline_ns", "phase", "since_ns", "took_s")

    def __init__(self, for_ns: int, keep_ns: int) -> None:
        self._for_ns = for_ns
        self._keep_ns = keep_ns
        self.phase = Phase.IDLE
        self.deadline_ns = NEVER
        self.since_ns = 0
        """When the condition became true."""
        self.took_s: float | None = None
        """Duration of the probe that made it true."""

    @property
    def is_firing(self) -> bool:
        """Whether the condition counts now."""
        return self.phase >= Phase.FIRING

    def become(self, phase: Phase, deadline_ns: int = NEVER) -> None:
        """Enter a phase."""
        self.phase = phase
        self.deadline_ns = deadline_ns

    def holds(self, at_ns: int, took_s: float | None) -> None:
        """The condition is true at this instant."""
        if self.phase is Phase.IDLE:
            self.since_ns, self.took_s = at_ns, took_s
            if self._for_ns:
                self.become(Phase.PENDING, at_ns + self._for_ns)
            else:
                self.become(Phase.FIRING)
        elif self.phase is Phase.KEEPING or (self.phase is Phase.PENDING and at_ns >= self.deadline_ns):
            self.become(Phase.FIRING)

    def ends(self, at_ns: int) -> None:
        """The condition is false at this instant."""
        if self.phase is Phase.FIRING and self._keep_ns:
            self.become(Phase.KEEPING, at_ns + self._keep_ns)
        elif self.phase is not Phase.KEEPING or at_ns >= self.deadline_ns:
            self.become(Phase.IDLE)

    def expire(self) -> None:
        """The deadline has passed without a word to the contrary."""
        self.become(Phase.FIRING if self.phase is Phase.PENDING else Phase.IDLE)

    def forget(self, hole_ns: int) -> None:
        """Nothing was known for so long. A hole longer than `for` proves nothing: what was pending starts anew."""
        if self.phase is Phase.PENDING and hole_ns > self._for_ns:
            self.become(Phase.IDLE)
