"""One check at one location: where samples become the progress of rules and minutes, in series time."""

from services.evaluator.domain.deadlines import UNFILED
from services.evaluator.domain.ledger import Ledger
from services.evaluator.domain.minute import LONGEST_CATCH_UP_NS, MinuteBook
from services.evaluator.domain.pending import NEVER, Phase
from services.evaluator.domain.plan import CheckPlan, RulePlan
from services.evaluator.domain.records import Sample
from services.evaluator.domain.rules import FailedRule, NoDataRule, WindowRule, rule_of
from services.evaluator.domain.silence import Sight
from services.evaluator.domain.verdicts import What
from shared.values import Location, Outcome

AnyRule = FailedRule | WindowRule | NoDataRule


class Series:
    """Samples apply in rising `due_at`; the first of an instant wins.

    Series time moves by samples. When none comes, log time moves it too, but only past instants for which no sample can
    arrive any more (time-out and grace are over), so that the way samples were batched never shows in a verdict.
    """

    __slots__ = (
        "_allowance_ns",
        "_grace_ns",
        "_ledger",
        "_patience_ns",
        "_sight",
        "fed",
        "filed_s",
        "is_missing",
        "known_ns",
        "last_due_ns",
        "location",
        "minute",
        "name",
        "plan",
        "rules",
        "silent_at_ns",
        "waits_from_ns",
        "was_hastened",
    )

    def __init__(self, plan: CheckPlan, rules: tuple[RulePlan, ...], sight: Sight, ledger: Ledger) -> None:
        self._take_spans(plan)
        self.location: Location = sight.location
        self.name = (str(plan.check), str(sight.location))
        self._sight = sight
        self._ledger = ledger
        self.filed_s = UNFILED
        self.last_due_ns = 0
        self.known_ns = 0
        """`due_at` of the last sample that was ok or failed."""
        self.is_missing = False
        self.waits_from_ns = ledger.log_ns
        """The log time from which the present silence is counted."""
        self.silent_at_ns = ledger.log_ns + plan.patience_ns
        """The log time at which samples count as missing; while they do, the one at which they began to."""
        self.fed = 0
        """Known samples since the last open set: coverage."""
        self.was_hastened = False
        """Whether the last sample may have brought the next deadline nearer; mostly it only moves it away."""
        self.minute = MinuteBook(plan, ledger.log_ns)
        self.rules: tuple[AnyRule, ...] = tuple(rule_of(rule, plan, sight.location, ledger) for rule in rules)

    def _take_spans(self, plan: CheckPlan) -> None:
        """Keep the plan, and its spans at hand: they are asked for several times a sample."""
        self.plan = plan
        self._patience_ns, self._allowance_ns, self._grace_ns = plan.patience_ns, plan.allowance_ns, plan.grace_ns

    def apply(self, sample: Sample) -> bool:
        """Take a sample; return False if it is no newer than the last one, and has therefore changed nothing."""
        due_ns = sample.due_at_ns
        if self.is_late(due_ns):
            return False
        self.settle(due_ns)
        if due_ns >= self.minute.end_ns:
            self._ledger.said.extend(self.minute.close_before(due_ns, self.plan, self.location, due_ns))
        self.minute.add(sample)
        self.last_due_ns = due_ns
        self._postpone_silence(due_ns)
        if sample.outcome != Outcome.UNKNOWN:
            self._observe(sample, due_ns)
        return True

    def is_late(self, due_ns: int) -> bool:
        """Whether a sample of this instant, or a newer one, has been applied."""
        return due_ns <= self.last_due_ns

    def settle(self, before_ns: int) -> None:
        """Let this series' own deadlines before an instant pass, at their own instants.

        Only as far as we knew the check: what was true at the last sample is taken to hold until the next one is
        missing. A deadline beyond that waits for the sample that ends the hole.
        """
        limit_ns = min(before_ns, self.known_ns + self._patience_ns + 1)
        for rule in self.rules:
            bands = rule.bands
            if bands.deadline_ns < limit_ns and not self._waits_for_silence(rule):
                bands.settle(limit_ns)

    def _postpone_silence(self, due_ns: int) -> None:
        """Silence is counted from the sample, but never ends sooner than a grace after an arrival."""
        self.waits_from_ns = self._ledger.log_ns
        at_ns = self._sight.reach(due_ns, self._patience_ns, self._grace_ns)
        at_ns = max(at_ns, self.waits_from_ns + self._grace_ns)
        self.was_hastened = self.is_missing or at_ns < self.silent_at_ns
        self.silent_at_ns, self.is_missing = at_ns, False

    def _observe(self, sample: Sample, due_ns: int) -> None:
        hole_ns = due_ns - self.known_ns
        if hole_ns > self._patience_ns:
            for rule in self.rules:
                rule.bands.forget_pending(hole_ns)
        self.known_ns = due_ns
        self.fed += 1
        for rule in self.rules:
            rule.observe(sample, due_ns)
            if rule.bands.deadline_ns != NEVER:
                self.was_hastened = True

    def close_minutes(self, now_ns: int) -> None:
        """Close the minutes that are over at an instant of series time."""
        self._ledger.said.extend(self.minute.close_before(now_ns, self.plan, self.location, self.last_due_ns or None))

    # Log time

    def log_deadline_ns(self) -> int:
        """The next log time at which something happens if no sample comes."""
        nearest = min(self._timer_ns(), self._reach(self.minute.end_ns))
        return nearest if self.is_missing else min(nearest, self.silent_at_ns)

    def _timer_ns(self) -> int:
        nearest, known_until_ns = NEVER, self.known_ns + self._patience_ns
        for rule in self.rules:
            deadline_ns = rule.bands.deadline_ns
            if deadline_ns == NEVER:
                continue
            if self._waits_for_silence(rule):
                nearest = min(nearest, self._sight.reach(deadline_ns, 0, self._grace_ns))
            elif deadline_ns <= known_until_ns:
                nearest = min(nearest, self._reach(deadline_ns))
        return nearest

    def _reach(self, instant_ns: int) -> int:
        """The log time after which no sample up to an instant of series time can come."""
        return self._sight.reach(instant_ns, self._allowance_ns, self._grace_ns)

    @staticmethod
    def _waits_for_silence(rule: AnyRule) -> bool:
        """Whether a deadline is the `for` of silence itself, which runs in log time: no sample will ever confirm it."""
        return isinstance(rule, NoDataRule) and rule.bands.steps[0].phase is Phase.PENDING

    def pass_time(self) -> None:
        """Log time has come to this series' deadline: let happen what no sample can prevent any more."""
        log_ns = self._ledger.log_ns
        for rule in self.rules:
            self._pass_timer(rule, log_ns)
        while self._reach(self.minute.end_ns) <= log_ns:
            is_long_ago = log_ns - self.minute.end_ns > LONGEST_CATCH_UP_NS + self._allowance_ns
            self.close_minutes(log_ns - self._allowance_ns if is_long_ago else self.minute.end_ns)
        if not self.is_missing and self.silent_at_ns <= log_ns:
            self._go_missing()

    def _pass_timer(self, rule: AnyRule, log_ns: int) -> None:
        """Let the deadlines of one rule pass that log time has reached; see `settle` for those beyond knowledge."""
        bands, known_until_ns = rule.bands, self.known_ns + self._patience_ns
        while bands.deadline_ns != NEVER:
            at_ns = bands.deadline_ns
            if self._waits_for_silence(rule):
                is_over = self._sight.reach(at_ns, 0, self._grace_ns) <= log_ns
            else:
                is_over = at_ns <= known_until_ns and self._reach(at_ns) <= log_ns
            if not is_over:
                return
            bands.settle(at_ns + 1)

    def _go_missing(self) -> None:
        self.is_missing = True
        self._ledger.note(What.MISSING, self.silent_at_ns, self.location, self.plan.check)
        for rule in self.rules:
            if isinstance(rule, NoDataRule):
                rule.fall_silent(self.silent_at_ns)
                self._pass_timer(rule, self._ledger.log_ns)

    def extend(self, hole_start_ns: int, hole_end_ns: int) -> None:
        """Its location saw nothing for a while: a sample that is awaited may come that much later, and a grace."""
        if not self.is_missing:
            self.silent_at_ns += hole_end_ns - max(hole_start_ns, self.waits_from_ns) + self._grace_ns

    def adopt_plan(self, plan: CheckPlan) -> None:
        """Go on under another interval, time-out or grace: silence is counted anew from now, never from the past."""
        if plan != self.plan:
            self._take_spans(plan)
            self.waits_from_ns = self._ledger.log_ns
            self.silent_at_ns = max(self.last_due_ns, self.waits_from_ns) + plan.patience_ns
            self.is_missing = False
            for rule in self.rules:
                rule.adopt(plan)

    def coverage(self, elapsed_ns: int) -> float:
        """Return the share of the last `elapsed_ns` that samples let us know, 0 to 1, and begin to count anew.

        A check that is due less often than that is covered as long as its last sample is not too old.
        """
        fed, due = self.fed, elapsed_ns // self.plan.interval_ns
        # Of two samples in one second of a check due every second, the early one is the next second's.
        self.fed = min(1, max(0, fed - due))
        if due:
            return min(1.0, fed / due)
        return float(self.known_ns + self._patience_ns >= self._ledger.log_ns)
