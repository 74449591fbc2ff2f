"""What a partition holds open, and the `rev` of every verdict."""

from dataclasses import replace

from services.evaluator.domain.verdicts import (
    Breach,
    Cause,
    Changed,
    Cleared,
    ClearReason,
    Finding,
    Key,
    Note,
    Opened,
    OpenSet,
    Output,
    What,
)
from shared.values import CheckId, Location, RuleId, ServiceId, Severity


class Ledger:
    """Collects what is said while a record is applied.

    `rev` = max(last rev of the key + 1, log time, last open set + 1): it grows with every verdict on a key, and a
    verdict after an open set is never mistaken for one before it, not even within one record's time.
    """

    def __init__(self) -> None:
        self.log_ns = 0
        """Log time: the greatest record time so far."""
        self.as_of = 0
        """Rev of the last open set."""
        self.open: dict[Key, Breach] = {}
        self.revs: dict[Key, int] = {}
        self.said: list[Output] = []

    def _next_rev(self, key: Key) -> int:
        rev = max(self.revs.get(key, 0), self.as_of, self.log_ns - 1) + 1
        self.revs[key] = rev
        return rev

    def raise_breach(
        self,
        key: Key,
        severity: Severity,
        symptom: str,
        cause: Cause,
        began_at_ns: int,
        at_ns: int,
        finding: Finding,
        took_s: float | None = None,
    ) -> None:
        """Open a breach, or change the one that is open; its beginning stays what it was."""
        was = self.open.get(key)
        breach = Breach(
            key,
            self._next_rev(key),
            severity,
            symptom,
            cause,
            began_at_ns if was is None else was.began_at_ns,
            finding.summary,
            finding.value,
            finding.threshold,
            took_s if was is None else was.took_s,
        )
        self.open[key] = breach
        self.said.append(Opened(breach, at_ns) if was is None else Changed(breach, at_ns))

    def clear(self, key: Key, at_ns: int, reason: ClearReason, summary: str = "") -> None:
        """End a breach; one that is not open stays so without a word."""
        if self.open.pop(key, None) is not None:
            self.said.append(Cleared(key, self._next_rev(key), at_ns, reason, summary))

    def note(
        self,
        what: What,
        at_ns: int,
        location: Location | None = None,
        check: CheckId | None = None,
        rule: RuleId | None = None,
        count: int = 1,
    ) -> None:
        """Say something that is no verdict."""
        self.said.append(Note(what, at_ns, location, check, rule, count))

    def open_breaches(self) -> tuple[Breach, ...]:
        """What is open, in order of key."""
        return tuple(self.open[key] for key in sorted(self.open))

    def restate(self, covered: dict[ServiceId, float]) -> None:
        """State the open set, and forget the revs that log time has overtaken anyway."""
        self.as_of = max(self.log_ns, self.as_of + 1, *self.revs.values(), 0)
        self.said.append(OpenSet(self.as_of, self.log_ns, covered, self.open_breaches()))
        self.revs = {key: breach.rev for key, breach in self.open.items()}

    def take(self) -> list[Output]:
        """Return what was said since the last call."""
        said, self.said = self.said, []
        return said

    def explain(self, key: Key, cause: Cause, at_ns: int, finding: Finding) -> None:
        """Give an open breach another cause, if it has not got it yet."""
        was = self.open.get(key)
        if was is not None and was.cause is not cause:
            breach = replace(was, rev=self._next_rev(key), cause=cause, summary=finding.summary)
            self.open[key] = breach
            self.said.append(Changed(breach, at_ns))
