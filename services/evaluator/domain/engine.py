"""A partition: `apply(record)` returns what follows from it. The same records always give the same answers.

How a record is taken (ADR 0001):
1. Log time moves to the record's time; it never runs back. A gap in the log is bridged by a jump.
2. Locations whose deadline has passed are down.
3. A batch proves that its location sees. Then, and only then, deadlines of its checks are looked at: while a prober is
   silent, its checks are unknown, not missing. Deadlines come before the samples of the batch.
4. Samples apply in rising `due_at`; a failed one counts at once.
5. Once a minute of log time (or as often as the plan says), and after a new plan, the open set is stated.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import ClassVar, Self

from services.evaluator.domain import checkpoint, phrasing
from services.evaluator.domain.deadlines import Wheel
from services.evaluator.domain.ledger import Ledger
from services.evaluator.domain.plan import SECOND_NS, CheckPlan, PartitionPlan, RulePlan
from services.evaluator.domain.records import PlanApplied, Record, Sample, Samples
from services.evaluator.domain.series import Series
from services.evaluator.domain.silence import FURTHEST_AHEAD_NS, LONGEST_QUIET_NS, Sight
from services.evaluator.domain.transition import carry_over, rules_by_check
from services.evaluator.domain.verdicts import (
    NO_CHECK,
    PROBER_DOWN,
    Breach,
    Cause,
    ClearReason,
    Finding,
    Key,
    Output,
    What,
)
from shared.values import CheckId, Location, ServiceId, Severity


class Partition:
    """The state of one partition. `plan` is None until the first PlanApplied; until then samples are set aside."""

    series_type: ClassVar[type[Series]] = Series
    """Tests put in a series with a seeded defect, to see that the properties notice."""

    def __init__(self) -> None:
        self.plan: PartitionPlan | None = None
        self.ledger = Ledger()
        self.restated_ns = 0
        """Log time of the last open set."""
        self.sights: dict[Location, Sight] = {}
        self.series: dict[Location, dict[CheckId, Series]] = {}
        self._wheels: dict[Location, Wheel[Series]] = {}
        self._prober_keys: dict[Location, tuple[Key, ...]] = {}

    def apply(self, record: Record) -> list[Output]:
        """Take the next record of the log; return what follows, in order."""
        self._advance(record.log_time_ns)
        match record:
            case PlanApplied():
                self._apply_plan(record.plan)
            case Samples():
                self._apply_batch(record)
        if self.plan is not None and self._is_time_to_restate(self.plan.restate_ns):
            self._restate()
        return self.ledger.take()

    # Log time

    def _advance(self, log_time_ns: int | None) -> None:
        before_ns = self.ledger.log_ns
        now_ns = self.ledger.log_ns = max(before_ns, log_time_ns or 0)
        if self.plan is None:
            return
        if now_ns - before_ns > LONGEST_QUIET_NS:
            self.ledger.note(What.GAP, before_ns, count=(now_ns - before_ns) // SECOND_NS)
            for sight in self.sights.values():
                sight.bridge(now_ns - before_ns, self.plan.prober_grace_ns)
        for sight in self.sights.values():
            if sight.down_at_ns <= now_ns:
                self._lose(sight, self.plan)

    def _lose(self, sight: Sight, plan: PartitionPlan) -> None:
        """Say that a location is down, for every service it watches that has not been told."""
        at_ns = sight.down_at_ns
        is_clock = sight.has_wrong_clock(self.ledger.log_ns)
        cause = Cause.CLOCK if is_clock else Cause.PROBER_DOWN
        silent = phrasing.prober_silent(sight.location, plan.prober_grace_ns)
        finding = Finding(phrasing.prober_clock(sight.location) if is_clock else silent)
        for key in self._prober_keys[sight.location]:
            if key not in self.ledger.open:
                self.ledger.raise_breach(key, Severity.HIGH, PROBER_DOWN, cause, at_ns, at_ns, finding)
            elif is_clock:
                self.ledger.explain(key, cause, self.ledger.log_ns, finding)

    def _is_time_to_restate(self, every_ns: int) -> bool:
        return self.ledger.log_ns // every_ns > self.restated_ns // every_ns

    def _restate(self) -> None:
        elapsed_ns, self.restated_ns = self.ledger.log_ns - self.restated_ns, self.ledger.log_ns
        shares: defaultdict[ServiceId, list[float]] = defaultdict(list)
        for series in self._all_series():
            shares[series.plan.service].append(series.coverage(elapsed_ns))
        self.ledger.restate({service: sum(found) / len(found) for service, found in sorted(shares.items())})

    def open_set(self) -> tuple[Breach, ...]:
        """Return what is open now, in order of key."""
        return self.ledger.open_breaches()

    # Samples

    def _apply_batch(self, batch: Samples) -> None:
        sight, found = self.sights.get(batch.location), self.series.get(batch.location)
        if self.plan is None or sight is None or found is None:
            self.ledger.note(What.UNDECLARED, self.ledger.log_ns, batch.location, count=len(batch.samples))
            return
        ordered = sorted(batch.samples, key=_by_due)
        if self._proves_sight(sight, ordered, found, self.plan.prober_grace_ns):
            self._wheels[batch.location].advance(self.ledger.log_ns, Series.pass_time)
        self._apply_samples(ordered, found, batch.location)

    def _proves_sight(
        self, sight: Sight, samples: list[Sample], found: dict[CheckId, Series], prober_grace_ns: int
    ) -> bool:
        now_ns, seen_ns = self.ledger.log_ns, sight.seen_ns
        usable = any(_is_usable(sample, found.get(sample.check), sight, now_ns) for sample in reversed(samples))
        if not sight.hear(now_ns, prober_grace_ns, samples=bool(samples), usable=usable):
            return False
        for key in self._prober_keys[sight.location] if self.ledger.open else ():
            self.ledger.clear(key, now_ns, ClearReason.HEALED, f"the probers at {sight.location} are back")
        if sight.seen_ns - seen_ns > LONGEST_QUIET_NS:
            self.ledger.note(What.BLIND, seen_ns, sight.location, count=(now_ns - seen_ns) // SECOND_NS)
            for series in found.values():
                series.extend(seen_ns, now_ns)
            self._wheels[sight.location] = Wheel(now_ns, found.values())
        return True

    def _apply_samples(self, samples: list[Sample], found: dict[CheckId, Series], location: Location) -> None:
        wheel, latest_ns = self._wheels[location], self.ledger.log_ns + FURTHEST_AHEAD_NS
        odd: Counter[tuple[What, CheckId]] = Counter()
        for sample in samples:
            series = found.get(sample.check)
            if series is None:
                odd[What.UNDECLARED, sample.check] += 1
            elif sample.due_at_ns > latest_ns:
                odd[What.AHEAD, sample.check] += 1
            elif not series.apply(sample):
                odd[What.LATE, sample.check] += 1
            elif series.was_hastened:
                wheel.file(series, series.log_deadline_ns())
        for (what, check), count in odd.items():
            self.ledger.note(what, self.ledger.log_ns, location, check, count=count)

    def _all_series(self) -> list[Series]:
        return [series for found in self.series.values() for series in found.values()]

    # Configuration

    def _apply_plan(self, plan: PartitionPlan) -> None:
        was, self.plan = self.plan, plan
        if was != plan:
            self._rebuild(plan)
        self._restate()

    def _rebuild(self, plan: PartitionPlan) -> None:
        """Take over what the new plan still knows, end what it does not, begin what is new."""
        now_ns, before = self.ledger.log_ns, self.series
        self.sights = {one: self.sights.get(one) or Sight(one, now_ns, plan.prober_grace_ns) for one in plan.locations}
        rules, after = rules_by_check(plan), {location: dict[CheckId, Series]() for location in plan.locations}
        for check in plan.checks:
            for location in (one for one in check.locations if one in after):
                old = before.get(location, {}).get(check.check)
                after[location][check.check] = self._series(check, rules[check.check], location, old)
        for location, series in ((at, one) for at, found in before.items() for one in found.values()):
            if after.get(location, {}).get(series.plan.check) is not series:
                series.close_minutes(series.minute.end_ns)
        self.series = after
        self.index()
        self._clear_orphans()

    def _series(self, check: CheckPlan, rules: tuple[RulePlan, ...], location: Location, old: Series | None) -> Series:
        fresh = self.series_type(check, rules, self.sights[location], self.ledger)
        return fresh if old is None or old.plan.service != check.service else carry_over(old, fresh, self.ledger)

    def _clear_orphans(self) -> None:
        """Breaches of rules, checks and locations that are gone end, but nobody says that they healed."""
        kept = {rule.bands.key for series in self._all_series() for rule in series.rules}
        kept.update(key for keys in self._prober_keys.values() for key in keys)
        for key in sorted(self.ledger.open.keys() - kept):
            self.ledger.clear(key, self.ledger.log_ns, ClearReason.CONFIG, "no longer in the configuration")

    def index(self) -> None:
        """Build what follows from the state and is not part of it: after a change of plan, and after a restore."""
        self._prober_keys = {
            location: _prober_keys(location, found.values()) for location, found in self.series.items()
        }
        self._wheels = {location: Wheel(self.ledger.log_ns, found.values()) for location, found in self.series.items()}

    # Checkpoints

    def dump(self) -> bytes:
        """Return the whole state; loading it and going on gives the same answers as never having stopped."""
        return b"".join(checkpoint.parts(self))

    @classmethod
    def load(cls, data: bytes) -> Self:
        """Build a partition from `dump`'s bytes. Raises CheckpointUnreadable."""
        partition = cls()
        checkpoint.restore(partition, data)
        return partition


def _by_due(sample: Sample) -> int:
    return sample.due_at_ns


def _prober_keys(location: Location, series: Iterable[Series]) -> tuple[Key, ...]:
    services = sorted({one.plan.service for one in series})
    return tuple(Key(service, PROBER_DOWN, NO_CHECK, location) for service in services)


def _is_usable(sample: Sample, series: Series | None, sight: Sight, now_ns: int) -> bool:
    """Whether a sample says something about now: neither from the future nor older than what would be missed."""
    if sample.due_at_ns > now_ns + FURTHEST_AHEAD_NS:
        return False
    return series is None or sight.reach(sample.due_at_ns, series.plan.patience_ns, series.plan.grace_ns) > now_ns
