"""The last looks at one check, packed: 5,000 checks keep an hour each in about ten megabytes."""

import math
from array import array
from dataclasses import dataclass
from typing import Final

from shared.values import Outcome

KEPT: Final = 60
_CODES: Final = {Outcome.OK: 0, Outcome.FAILED: 1, Outcome.UNKNOWN: 2}
_OUTCOMES: Final = {code: outcome for outcome, code in _CODES.items()}


@dataclass(frozen=True)
class Look:
    """One point of the line. `at` in seconds since the epoch; `took_s` None when there is no number to draw."""

    at: float
    took_s: float | None
    outcome: Outcome


class Trace:
    """The newest 60 looks in rising time; an older or equal one is late and changes nothing."""

    __slots__ = ("_at", "_mark", "_took")

    def __init__(self) -> None:
        self._at = array("d")
        self._took = array("f")
        self._mark = bytearray()

    def add(self, look: Look) -> bool:
        """Keep one more look; False when it is late."""
        if self._at and look.at <= self._at[-1]:
            return False
        self._at.append(look.at)
        self._took.append(math.nan if look.took_s is None else look.took_s)
        self._mark.append(_CODES[look.outcome])
        if len(self._at) > KEPT:
            del self._at[0], self._took[0], self._mark[0]
        return True

    @property
    def first_at(self) -> float | None:
        """When the oldest kept look was, or None."""
        return self._at[0] if self._at else None

    def looks(self, since: float) -> list[Look]:
        """The kept looks from `since` on, oldest first."""
        return [
            Look(at, None if math.isnan(took) else took, _OUTCOMES[mark])
            for at, took, mark in zip(self._at, self._took, self._mark, strict=True)
            if at >= since
        ]
