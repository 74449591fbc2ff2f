"""Short words for telling a partition what happened: seconds instead of nanoseconds, one service, two checks."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from services.evaluator.domain.engine import Partition
from services.evaluator.domain.plan import (
    MINUTE_NS,
    SECOND_NS,
    TOTAL,
    Aggregate,
    BandPlan,
    CheckKind,
    CheckPlan,
    Direction,
    FailedPlan,
    PartitionPlan,
    RulePlan,
    WindowPlan,
)
from services.evaluator.domain.records import PlanApplied, Record, Sample, Samples, Tick
from services.evaluator.domain.verdicts import Changed, Cleared, Note, Opened, Output, Verdict, What
from shared.values import CheckId, Location, Outcome, RuleId, ServiceId, Severity
from shared.values import Partition as PartitionNumber

T0: Final = 29_000_000 * MINUTE_NS
"""Second 0 of every story: the start of a minute."""
MAIN: Final = Location("main")
WEB: Final = CheckId("web-health")
SHOP: Final = ServiceId("shop")
CRITICAL: Final = (BandPlan(Severity.CRITICAL),)

Kind = TypeVar("Kind")


def at(second: float) -> int:
    """The instant of a story's second, in nanoseconds."""
    return T0 + round(second * SECOND_NS)


def seconds(instant_ns: int) -> float:
    """The second of a story's instant."""
    return (instant_ns - T0) / SECOND_NS


def span(second: float) -> int:
    return round(second * SECOND_NS)


def check(
    name: str = WEB,
    every: float = 5,
    timeout: float = 2,
    grace: float = 5,
    values: tuple[str, ...] = (),
    locations: tuple[Location, ...] = (MAIN,),
) -> CheckPlan:
    return CheckPlan(
        CheckId(name), SHOP, CheckKind.HTTP, span(every), span(timeout), span(grace), locations, (TOTAL, *values)
    )


def heartbeat(name: str, every: float, grace: float) -> CheckPlan:
    return CheckPlan(CheckId(name), SHOP, CheckKind.HEARTBEAT, span(every), 0, span(grace), (MAIN,), ())


def rule(name: str, condition: FailedPlan | WindowPlan | None, bands: tuple[BandPlan, ...] = CRITICAL) -> RulePlan:
    return RulePlan(
        RuleId(name),
        WEB,
        SHOP,
        name,
        bands,
        failed=condition if isinstance(condition, FailedPlan) else None,
        window=condition if isinstance(condition, WindowPlan) else None,
    )


def lasting(one: RulePlan, for_s: float = 0, keep_s: float = 0) -> RulePlan:
    return replace(one, for_ns=span(for_s), keep_firing_ns=span(keep_s))


def down(at_least: int = 2, of_last: int = 3, ok_in_a_row: int | None = None) -> RulePlan:
    return rule("web-down", FailedPlan(at_least, of_last, ok_in_a_row))


def slow(
    aggregate: Aggregate = Aggregate.P95, over: float = 60, margin: float = 0.0, *, value: str = TOTAL
) -> RulePlan:
    """The seed's performance classes: above 1 s critical, 500 ms high, 200 ms medium."""
    bands = (
        BandPlan(Severity.CRITICAL, 1.0, "1s"),
        BandPlan(Severity.HIGH, 0.5, "500ms"),
        BandPlan(Severity.MEDIUM, 0.2, "200ms"),
    )
    return rule("web-slow", WindowPlan(aggregate, value, "s", span(over), Direction.ABOVE, margin), bands)


def silent() -> RulePlan:
    return rule("web-silent", None, (BandPlan(Severity.HIGH),))


def plan(
    *rules: RulePlan,
    checks: Iterable[CheckPlan] = (),
    locations: tuple[Location, ...] = (MAIN,),
    revision: int = 1,
    prober_grace: float = 10,
) -> PartitionPlan:
    found = tuple(checks) or (check(locations=locations),)
    return PartitionPlan(
        PartitionNumber(3), revision, f"digest-{revision}", found, rules, locations, span(prober_grace)
    )


def ok(due: float, took: float = 0.1, name: str = WEB, **values: float) -> Sample:
    return Sample(CheckId(name), at(due), took, Outcome.OK, None, values)


def failed(due: float, took: float = 2.0, name: str = WEB, reason: str = "timeout") -> Sample:
    return Sample(CheckId(name), at(due), took, Outcome.FAILED, reason)


def unknown(due: float, name: str = WEB) -> Sample:
    return Sample(CheckId(name), at(due), 0.0, Outcome.UNKNOWN, "prober late")


def batch(log: float, *samples: Sample, location: Location = MAIN) -> Samples:
    return Samples(at(log), location, "prober-0", samples)


@dataclass
class Story:
    """A partition and everything it has said."""

    partition: Partition = field(default_factory=Partition)
    outputs: list[Output] = field(default_factory=list)
    now: float = 0.0

    @classmethod
    def under(cls, applied: PartitionPlan, partition: Partition | None = None) -> "Story":
        story = cls(partition or Partition())
        return story.take(PlanApplied(at(0), applied))

    def take(self, *records: Record) -> "Story":
        for record in records:
            self.outputs += self.partition.apply(record)
            self.now = seconds(self.partition.ledger.log_ns)
        return self

    def see(self, *samples: Sample, location: Location = MAIN) -> "Story":
        """Each sample in a batch of its own that arrives a tenth of a second after it was due, empty ones between."""
        for sample in samples:
            due = seconds(sample.due_at_ns)
            if due - self.now > 1:
                self.hear(due - 1, location)
            self.take(batch(due + 0.1, sample, location=location))
        return self

    def hear(self, until: float, location: Location = MAIN) -> "Story":
        """The prober says "I am here" every second."""
        while self.now < until:
            self.take(batch(self.now + 1, location=location))
        return self

    def tick(self, until: float) -> "Story":
        """Nobody says anything; the partition's owner ticks."""
        while self.now < until:
            self.take(Tick(at(self.now + 1)))
        return self

    def restart(self) -> "Story":
        """Kill the process; another one goes on from its checkpoint."""
        self.partition = type(self.partition).load(self.partition.dump())
        return self

    def all_of(self, kind: type[Kind]) -> list[Kind]:
        return [one for one in self.outputs if isinstance(one, kind)]

    def notes(self, what: What) -> list[Note]:
        return [note for note in self.all_of(Note) if note.what is what]

    @property
    def verdicts(self) -> list[Verdict]:
        return [one for one in self.outputs if isinstance(one, Opened | Changed | Cleared)]

    @property
    def told(self) -> list[str]:
        """Verdicts as short lines: `opened web-down critical 5`, `cleared web-down healed 20`."""
        return [line(verdict) for verdict in self.verdicts]


def line(verdict: Verdict) -> str:
    instant = f"{seconds(verdict.at_ns):g}"
    if isinstance(verdict, Cleared):
        return f"cleared {verdict.key.rule} {verdict.reason} {instant}"
    kind = "opened" if isinstance(verdict, Opened) else "changed"
    return f"{kind} {verdict.breach.key.rule} {verdict.breach.severity} {instant}"
