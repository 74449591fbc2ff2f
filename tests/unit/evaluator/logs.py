"""Random logs for the properties: what probers saw, and many ways in which it may have reached the log."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from hypothesis import strategies as st

from services.evaluator.domain.engine import Partition
from services.evaluator.domain.plan import Aggregate, CheckPlan, PartitionPlan, RulePlan
from services.evaluator.domain.records import PlanApplied, Record, Sample, Samples, Tick
from services.evaluator.domain.verdicts import Changed, Cleared, Key, MinuteMeasurement, Opened, Output, Verdict
from shared.values import CheckId, Location, Outcome, RuleId
from tests.unit.evaluator.story import MAIN, at, check, down, lasting, plan, silent, slow, span

EAST: Final = Location("east")
SILENCE: Final = 0.5
LENGTH_OF_BAD_DAYS: Final = 60
DELAYS_S: Final = (0.01, 0.2, 0.9)
"""With a slot of at most a second, samples reach the log within 1.9 s. That never decides whether one is missing: with
the plan below, the deadline after k missing samples is never within 1.9 s after one that came."""


@dataclass(frozen=True)
class Case:
    """What was seen at each location: samples with the seconds they were late in reaching the log."""

    plan: PartitionPlan
    length_s: int
    seen: tuple[tuple[Location, Sample], ...]


def _rules_for(name: CheckId, number: int) -> list[RulePlan]:
    rules = [
        lasting(down(2, 3, ok_in_a_row=2), for_s=(0, 7, 15)[number], keep_s=(7, 0, 15)[number]),
        lasting(
            slow(Aggregate.P95, over=(8, 5, 10)[number], margin=0.1), for_s=(6, 0, 5)[number], keep_s=(9, 0, 14)[number]
        ),
        slow(Aggregate.MEAN, over=10),
        silent(),
    ]
    names = [f"{name}-{at_}" for at_ in ("down", "slow", "mean", "silent")]
    return [replace(one, rule=RuleId(rule), symptom=rule, check=name) for one, rule in zip(rules, names, strict=True)]


def a_plan() -> PartitionPlan:
    """Three checks at two locations, each with every kind of rule, and `for` and keep-firing off the grid.

    Windows are short: they must be covered early in a log of half a minute.
    """
    checks: list[CheckPlan] = []
    rules: list[RulePlan] = []
    for number, (every, grace) in enumerate(((4, 5), (5, 7), (10, 5))):
        name = CheckId(f"check-{number}")
        checks.append(replace(check(name, every=every, timeout=1, grace=grace), locations=(MAIN, EAST)))
        rules += _rules_for(name, number)
    return plan(*rules, checks=checks, locations=(MAIN, EAST), prober_grace=10)


PLAN: Final = a_plan()
_OUTCOMES: Final = (*[Outcome.OK] * 6, *[Outcome.FAILED] * 3, Outcome.UNKNOWN, None)
"""None: the sample never came."""
_TOOK: Final = (0.05, 0.19, 0.21, 0.4, 0.55, 0.9, 1.1)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw what was seen in most of a minute."""
    length_s = draw(st.integers(30, 60))
    seen: list[tuple[Location, Sample]] = []
    for one in PLAN.checks:
        for location in PLAN.locations:
            dues = range(one.interval_ns, span(length_s), one.interval_ns)
            # One byte a sample: drawing 50 outcomes one by one takes longer than judging them.
            for due, byte in zip(dues, draw(st.binary(min_size=len(dues), max_size=len(dues))), strict=True):
                outcome, took = _OUTCOMES[byte % len(_OUTCOMES)], _TOOK[byte // 16 % len(_TOOK)]
                if outcome is not None:
                    sample = Sample(one.check, at(0) + due, took, outcome, None if outcome == Outcome.OK else "timeout")
                    seen.append((location, sample))
    return Case(PLAN, length_s, tuple(seen))


def delivered(case: Case, seed: int, doubled: float = 0.0) -> list[Record]:
    """One way in which a case may have reached the log.

    Every location sends a batch at least once a second. Each sample arrives with a delay of its own (rising within a
    series), in a batch of its own or with others, in any order with those of other series; `doubled` of them twice.
    """
    random = Random(seed)  # noqa: S311  # a repeatable choice, nothing secret
    arrivals: defaultdict[tuple[int, Location], list[Sample]] = defaultdict(list)
    latest: dict[tuple[Location, CheckId], int] = {}
    step = span(random.choice([0.1, 0.25, 0.5, 1.0]))
    for location, sample in case.seen:
        arrival = sample.due_at_ns + span(random.choice(DELAYS_S))
        arrival = latest[location, sample.check] = max(arrival, latest.get((location, sample.check), 0))
        arrivals[_slot(arrival, step), location].append(sample)
        if random.random() < doubled:
            arrivals[_slot(arrival + span(random.choice([0, 0.3, 0.9])), step), location].append(sample)
    for second in range(1, case.length_s + 25):
        for location in case.plan.locations:
            arrivals[at(second), location] += []
    records: list[Record] = [PlanApplied(at(0), case.plan)]
    for (log_ns, location), samples in sorted(arrivals.items(), key=lambda one: (one[0][0], random.random())):
        random.shuffle(samples)
        records += _cut(random, log_ns, location, samples)
    return records


CHANGED: Final = replace(
    PLAN,
    revision=2,
    digest="digest-2",
    checks=(replace(PLAN.checks[0], interval_ns=span(7)), *PLAN.checks[1:]),
    rules=PLAN.rules[2:],
    locations=(MAIN,),
)


def bad_days(seed: int) -> list[Record]:
    """A log of everything at once: gaps, silent probers, wrong clocks, stragglers, two plans taking turns."""
    random = Random(seed)  # noqa: S311  # as above
    records: list[Record] = [PlanApplied(at(0), PLAN)]
    second = 0.0
    while len(records) < LENGTH_OF_BAD_DAYS:
        second += random.choice([0.05, 0.3, 1.0, 1.0, 1.0, 4.9, 5.1, random.choice([12, 40, 700])])
        match random.choice("sssssssttp"):
            case "s":
                samples = [_any_sample(random, second) for _ in range(random.randint(0, 4))]
                records.append(Samples(at(second), random.choice((MAIN, MAIN, EAST)), "prober-0", samples))
            case "t":
                records.append(Tick(at(second)))
            case _:
                records.append(PlanApplied(at(second), random.choice((PLAN, PLAN, CHANGED))))
    return records


def _any_sample(random: Random, second: float) -> Sample:
    outcome = random.choice(_OUTCOMES) or Outcome.UNKNOWN
    due = second - random.choice([0, 0.1, 0.5, 2, 2, 9, 30, -3, -6, 3600, -3600])
    name = random.choice([*(one.check for one in PLAN.checks), CheckId("ghost")])
    return Sample(name, at(due), random.choice(_TOOK), outcome)


def _slot(arrival_ns: int, step_ns: int) -> int:
    return -(-arrival_ns // step_ns) * step_ns


def _cut(random: Random, log_ns: int, location: Location, samples: list[Sample]) -> list[Record]:
    """Send samples in one batch or in several of the same instant, each series in order; now and then with a tick."""
    if random.random() < SILENCE:
        pieces = [samples]
    else:
        pieces = [[one] for one in sorted(samples, key=lambda one: one.due_at_ns)] or [[]]
    records: list[Record] = [Samples(log_ns, location, f"prober-{random.randint(0, 1)}", piece) for piece in pieces]
    return [*records, Tick(None)] if random.random() < SILENCE else records


def run(records: Iterable[Record], partition: Partition | None = None) -> list[Output]:
    """Everything a partition says to a log."""
    judge = partition or Partition()
    return [output for record in records for output in judge.apply(record)]


def verdicts_by_key(outputs: Iterable[Output]) -> dict[Key, list[Verdict]]:
    """The verdicts on each key, in order, without their revs."""
    found: defaultdict[Key, list[Verdict]] = defaultdict(list)
    for one in outputs:
        if isinstance(one, Opened | Changed):
            found[one.breach.key].append(replace(one, breach=replace(one.breach, rev=0)))
        elif isinstance(one, Cleared):
            found[one.key].append(replace(one, rev=0))
    return dict(found)


def minutes(outputs: Iterable[Output]) -> list[MinuteMeasurement]:
    """The minutes stated, in a fixed order."""
    found = [one for one in outputs if isinstance(one, MinuteMeasurement)]
    return sorted(found, key=lambda one: (one.check, one.location, one.minute_ns))
