"""The open breaches: levels stated by each source, moved on by verdicts, newest revision first."""

from dataclasses import dataclass
from datetime import datetime

from shared.contracts import BreachCleared, BreachEvent, BreachKey, BreachOpened, OpenBreach, OpenSet
from shared.values import CheckId, Location


@dataclass(frozen=True)
class _Verdict:
    rev: int
    breach: OpenBreach | None
    """None: cleared. Kept until the source restates its set, so that an overtaken `opened` stays closed."""


class OpenBreaches:
    """Any order of arrival, any repetition, the same picture."""

    def __init__(self) -> None:
        self._verdicts: dict[str, dict[str, _Verdict]] = {}
        self._as_of: dict[str, int] = {}
        self._stated_at: dict[str, datetime] = {}
        self._of_check: dict[tuple[CheckId, Location], OpenBreach] | None = None

    def apply(self, event: BreachEvent) -> bool:
        """Take one verdict; False when something newer is known."""
        self._of_check = None
        known = self._verdicts.setdefault(event.source, {})
        last = known.get(event.key.text)
        newest = max(self._as_of.get(event.source, 0), last.rev if last else 0)
        if event.rev <= newest:
            return False
        if isinstance(event, BreachCleared):
            known[event.key.text] = _Verdict(event.rev, None)
            return last is not None and last.breach is not None
        if isinstance(event, BreachOpened):
            known[event.key.text] = _Verdict(event.rev, event.breach)
        return True

    def state(self, stated: OpenSet) -> set[BreachKey]:
        """Take a source's whole set; returns the keys that look different."""
        self._of_check = None
        if stated.as_of < self._as_of.get(stated.source, 0):
            return set()
        self._as_of[stated.source] = stated.as_of
        self._stated_at[stated.source] = stated.at
        before = self._verdicts.get(stated.source, {})
        after = {breach.key.text: _Verdict(breach.rev, breach) for breach in stated.breaches}
        after |= {key: verdict for key, verdict in before.items() if verdict.rev > stated.as_of}
        self._verdicts[stated.source] = after
        was, is_now = _open(before), _open(after)
        changed = [key for key in was.keys() | is_now.keys() if was.get(key) != is_now.get(key)]
        return {(is_now.get(key) or was[key]).key for key in changed}

    def stated_at(self, source: str) -> datetime | None:
        """When this source last stated its set, by its own log; None when never."""
        return self._stated_at.get(source)

    def open(self) -> list[OpenBreach]:
        """All open breaches, worst first, then oldest first."""
        found = [breach for known in self._verdicts.values() for breach in _open(known).values()]
        return sorted(found, key=lambda breach: (-breach.severity.rank, breach.began_at, breach.key.text))

    def of_check(self, check: CheckId, location: Location) -> OpenBreach | None:
        """The worst open breach of a check at a location."""
        if self._of_check is None:
            self._of_check = {(one.key.check, one.key.location): one for one in reversed(self.open())}
        return self._of_check.get((check, location))


def _open(verdicts: dict[str, _Verdict]) -> dict[str, OpenBreach]:
    return {key: verdict.breach for key, verdict in verdicts.items() if verdict.breach is not None}
