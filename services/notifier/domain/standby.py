"""Which of a channel's providers carries the next attempt: the first that is well, the next one when it is ill."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

ILL_AFTER: Final = 2
"""Failures in a row that are the provider's or our account's, not the recipient's."""
ILL_FOR: Final = timedelta(seconds=30)


@dataclass
class Illness:
    """What one replica has lately seen of its providers. Kept in memory: after a restart all count as well."""

    _failures: dict[str, int] = field(default_factory=dict)
    _until: dict[str, datetime] = field(default_factory=dict)

    def failed(self, provider: str, now: datetime) -> None:
        """Count a failure; from the second in a row the provider is passed over for half a minute."""
        self._failures[provider] = self._failures.get(provider, 0) + 1
        if self._failures[provider] >= ILL_AFTER:
            self._until[provider] = now + ILL_FOR

    def worked(self, provider: str) -> None:
        """Forget its failures."""
        self._failures.pop(provider, None)
        self._until.pop(provider, None)

    def is_ill(self, provider: str, now: datetime) -> bool:
        """Whether to pass it over."""
        return self._until.get(provider, now) > now


def has_standby(providers: Sequence[str], attempts: int) -> bool:
    """Whether, after `attempts` (from 1) of a delivery, a provider is left that has not been tried in this turn."""
    return attempts % len(providers) != 0 if providers else False


def choose(providers: Sequence[str], last: str | None, attempts: int, illness: Illness, now: datetime) -> str | None:
    """Pick the provider of the next attempt, or None when nothing of this kind is configured.

    A turn goes once through all of them: within one, the provider after the `last` that failed; at the start of one
    (attempts is a multiple of their number) the first. One that is ill is passed over unless all are.
    """
    begin = providers.index(last) + 1 if last in providers and has_standby(providers, attempts) else 0
    in_turn = [*providers[begin:], *providers[:begin]]
    return next((name for name in in_turn if not illness.is_ill(name, now)), in_turn[0] if in_turn else None)
