"""The bands of one rule at one location: each holds for its own time, and the worst that counts is the breach."""

from collections.abc import Callable

from services.evaluator.domain.ledger import Ledger
from services.evaluator.domain.pending import NEVER, Pending, Phase
from services.evaluator.domain.plan import RulePlan
from services.evaluator.domain.verdicts import Cause, ClearReason, Finding, Key
from shared.values import Location


class Bands:
    """Turns "this band's condition is true or false now" into opened, changed and cleared."""

    __slots__ = ("_cause", "_describe", "_ledger", "_plan", "deadline_ns", "key", "level", "steps")

    def __init__(
        self,
        plan: RulePlan,
        location: Location,
        ledger: Ledger,
        cause: Cause,
        describe: Callable[[int | None], Finding],
    ) -> None:
        self._plan = plan
        self._ledger = ledger
        self._cause = cause
        self._describe = describe
        self.key = Key(plan.service, plan.rule, plan.check, location)
        self.steps = tuple(Pending(plan.for_ns, plan.keep_firing_ns) for _ in plan.bands)
        """One for each band, worst first."""
        self.level: int | None = None
        """The worst band that counts: what has been said. None: no breach."""
        self.deadline_ns = NEVER
        """The earliest deadline of all bands, in series time."""

    @property
    def is_idle(self) -> bool:
        """Whether no band is pending, firing or keeping."""
        return self.level is None and self.deadline_ns == NEVER

    def is_holding(self, band: int) -> bool:
        """Whether a band counts and its condition was true when last seen: the time for clear conditions to apply."""
        return self.steps[band].phase is Phase.FIRING

    def feed(self, band: int, at_ns: int, took_s: float | None, *, is_true: bool) -> None:
        """Say how a band's condition stands; `conclude` follows when all bands have been fed."""
        if is_true:
            self.steps[band].holds(at_ns, took_s)
        else:
            self.steps[band].ends(at_ns)

    def forget_pending(self, hole_ns: int) -> None:
        """Nothing was known for so long; see Pending.forget."""
        for step in self.steps:
            step.forget(hole_ns)
        self.deadline_ns = min(step.deadline_ns for step in self.steps)

    def restore(self, level: int | None) -> None:
        """Put a checkpoint's state back, the steps having been put back before."""
        self.level = level
        self.deadline_ns = min(step.deadline_ns for step in self.steps)

    def settle(self, before_ns: int) -> None:
        """Let deadlines before an instant pass, each at its own instant and in order."""
        while self.deadline_ns < before_ns:
            at_ns = self.deadline_ns
            for step in self.steps:
                if step.deadline_ns == at_ns:
                    step.expire()
            self.conclude(at_ns)

    def conclude(self, at_ns: int) -> None:
        """Say what has changed, if anything has."""
        self.deadline_ns = min(step.deadline_ns for step in self.steps)
        level = next((at for at, step in enumerate(self.steps) if step.is_firing), None)
        if level == self.level:
            return
        self.level = level
        finding = self._describe(level)
        if level is None:
            self._ledger.clear(self.key, at_ns, ClearReason.HEALED, finding.summary)
            return
        step, plan = self.steps[level], self._plan
        severity = plan.bands[level].severity
        self._ledger.raise_breach(
            self.key, severity, plan.symptom, self._cause, step.since_ns, at_ns, finding, step.took_s
        )
