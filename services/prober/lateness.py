"""How late our own event loop was: a probe during which it stalled says nothing about its target (ADR 0002)."""

from collections import deque
from typing import Final

from services.prober.domain.schedule import MS, S

NOTED_NS: Final = 100 * MS
"""Shorter stalls are not kept: no limit is below half a second."""
KEPT: Final = 256


class Stalls:
    """Remembers when the loop slept longer than it meant to. Instants are monotonic nanoseconds."""

    def __init__(self) -> None:
        self._ended: deque[tuple[int, int]] = deque(maxlen=KEPT)
        self._wake_ns: int | None = None

    def sleeping(self, mono_ns: int, wait_s: float) -> None:
        """The loop's watcher goes to sleep and means to wake after `wait_s`."""
        self._wake_ns = mono_ns + int(wait_s * S)

    def woke(self, mono_ns: int) -> None:
        """It woke."""
        if self._wake_ns is not None and mono_ns - self._wake_ns > NOTED_NS:
            self._ended.append((mono_ns, mono_ns - self._wake_ns))
        self._wake_ns = None

    def worst_since(self, since_ns: int, mono_ns: int) -> int:
        """The longest stall that touched the time from `since_ns` to now; also one that is just ending.

        A probe's end and the watcher's waking are handled in the same turn of the loop, in either order.
        """
        worst = 0 if self._wake_ns is None else max(0, mono_ns - self._wake_ns)
        for ended_ns, length_ns in reversed(self._ended):
            if ended_ns < since_ns:
                break
            worst = max(worst, length_ns)
        return worst
