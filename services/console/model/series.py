"""One check at one location: its last result, its last hour, and the state a person should read from both."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from services.console.model.trace import Look, Trace
from shared.contracts import Measurement, Sample
from shared.values import CheckId, Location, Outcome

MINUTE: Final = timedelta(minutes=1)
HOUR_S: Final = 3600.0
SLACK: Final = timedelta(seconds=10)
"""Time-outs and delivery: a result is not called missing before this has passed on top."""


class CheckState(StrEnum):
    """What the row says. Target down, prober down and unknown are never the same (ADR 0002)."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"
    PROBER_DOWN = "prober_down"
    STALE = "stale"
    WAITING = "waiting"

    @property
    def needs_a_look(self) -> bool:
        """Whether somebody should look at it; waiting for the first result is not yet a worry."""
        return self not in {CheckState.OK, CheckState.WAITING}


_BY_OUTCOME: Final = {
    Outcome.OK: CheckState.OK,
    Outcome.FAILED: CheckState.FAILED,
    Outcome.UNKNOWN: CheckState.UNKNOWN,
}


class SeriesKey(NamedTuple):
    """Names a row."""

    check: CheckId
    location: Location

    @property
    def part(self) -> str:
        """The element that shows it. A dot cannot be part of an id, so no two rows share one."""
        return f"check.{self.check}.{self.location}"


@dataclass(slots=True)
class Series:
    """Filled by live samples, and by measurements for what was before we listened."""

    key: SeriesKey
    every: timedelta
    since: datetime
    """When we began to watch it."""
    state: CheckState = CheckState.WAITING
    last: Sample | None = None
    last_minute: Measurement | None = None
    _minutes: Trace = field(default_factory=Trace)
    _recent: Trace = field(default_factory=Trace)

    def see(self, sample: Sample) -> bool:
        """Take one live sample; False when it is late."""
        took = sample.took_s if sample.outcome is Outcome.OK else None
        if not self._recent.add(Look(sample.due_at.timestamp(), took, sample.outcome)):
            return False
        self.last = sample
        return True

    def measured(self, minute: Measurement) -> bool:
        """Take one minute of history; its point stands in the middle of the minute."""
        total = minute.series.get("total")
        worst = Outcome.FAILED if minute.failed else Outcome.UNKNOWN if minute.unknown else Outcome.OK
        if minute.ok + minute.failed + minute.unknown == 0:
            return False
        middle = minute.minute_at.timestamp() + MINUTE.total_seconds() / 2
        if not self._minutes.add(Look(middle, total.p95 if total else None, worst)):
            return False
        self.last_minute = minute
        return True

    def looks(self, now: datetime) -> list[Look]:
        """The last hour, oldest first: minutes (p95) as far as we did not listen, then every single result."""
        since = now.timestamp() - HOUR_S
        begins = self._recent.first_at
        older = [
            look
            for look in self._minutes.looks(since)
            if begins is None or look.at + MINUTE.total_seconds() / 2 <= begins
        ]
        return older + self._recent.looks(since)

    @property
    def last_at(self) -> datetime | None:
        """When the newest thing we know of was due, or None."""
        sample = self.last.due_at if self.last else None
        minute = self.last_minute.minute_at + MINUTE if self.last_minute else None
        known = [at for at in (sample, minute) if at is not None]
        return max(known) if known else None

    def judge(self, now: datetime, listening_since: datetime, *, prober_is_silent: bool) -> bool:
        """Work out the state again; True when it changed.

        What we could not hear is not held against the check: patience counts from `listening_since` too.
        """
        before = self.state
        limit = self.every * 1.5 + SLACK
        known_since = max(self.last_at or self.since, self.since, listening_since)
        if prober_is_silent:
            self.state = CheckState.PROBER_DOWN
        elif now - known_since > limit:
            self.state = CheckState.STALE
        else:
            self.state = self._state_of_last()
        return self.state is not before

    def _state_of_last(self) -> CheckState:
        if self.last is not None:
            return _BY_OUTCOME[self.last.outcome]
        return self._state_of_minute()

    def _state_of_minute(self) -> CheckState:
        minute = self.last_minute
        if minute is None:
            return CheckState.WAITING
        if minute.failed and not minute.ok:
            return CheckState.FAILED
        return CheckState.OK if minute.ok else CheckState.UNKNOWN
