"""The last few outcomes of a check, as the bits of an integer: 1 is a failure, the newest is the lowest bit."""

from typing import Final

_LONGEST: Final = 1 << 30


class Streak:
    """Counts failures among the last `of_last` known samples, and good ones in a row."""

    __slots__ = ("_mask", "bits", "ok_in_a_row")

    def __init__(self, of_last: int) -> None:
        self._mask = (1 << of_last) - 1
        self.bits = 0
        self.ok_in_a_row = 0

    def push(self, *, failed: bool) -> None:
        """Take one known sample; unknown ones are not shown to it, so that a streak holds through them."""
        self.bits = (self.bits << 1 | failed) & self._mask
        self.ok_in_a_row = 0 if failed else min(self.ok_in_a_row + 1, _LONGEST)

    @property
    def failures(self) -> int:
        """Failures among the last `of_last`."""
        return self.bits.bit_count()

    def forgive(self) -> None:
        """Start anew after a breach was cleared by good samples, else old failures would open it again at once."""
        self.bits = 0
