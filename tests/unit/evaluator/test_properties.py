"""What makes verdicts a pure function of what was seen: batching, order, doubles and crashes never show (ADR 0001)."""

from collections.abc import Callable
from typing import ClassVar

from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from services.evaluator.domain.engine import Partition
from services.evaluator.domain.records import Record
from services.evaluator.domain.series import Series
from services.evaluator.domain.verdicts import Changed, Cleared, Key, Opened, Output
from tests.unit.evaluator.logs import Case, bad_days, cases, delivered, minutes, run, verdicts_by_key

CALM = settings(max_examples=8, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
SEEDS = st.integers(0, 2**32 - 1)
Judge = Callable[[list[Record]], list[Output]]


class SeriesWithoutOwnDeadlines(Series):
    """Seeded defect: deadlines pass only when log time comes to them, not before the next sample."""

    __slots__ = ()

    def settle(self, before_ns: int) -> None:
        """Forget to."""


class SeriesWithoutDedupe(Series):
    """Seeded defect: what comes twice counts twice."""

    __slots__ = ()

    def is_late(self, due_ns: int) -> bool:
        return due_ns < self.last_due_ns


class PartitionWithoutOwnDeadlines(Partition):
    series_type: ClassVar[type[Series]] = SeriesWithoutOwnDeadlines


class PartitionWithoutDedupe(Partition):
    series_type: ClassVar[type[Series]] = SeriesWithoutDedupe


def judge_with(partition: type[Partition]) -> Judge:
    return lambda records: run(records, partition())


def is_batching_invisible(case: Case, seeds: tuple[int, int], judge: Judge) -> bool:
    one, other = (judge(delivered(case, seed)) for seed in seeds)
    return verdicts_by_key(one) == verdicts_by_key(other) and minutes(one) == minutes(other)


def are_doubles_invisible(case: Case, seed: int, judge: Judge) -> bool:
    once, twice = judge(delivered(case, seed)), judge(delivered(case, seed, doubled=0.3))
    return verdicts_by_key(once) == verdicts_by_key(twice) and minutes(once) == minutes(twice)


def run_with_crashes(records: list[Record], crash_after: set[int]) -> list[Output]:
    """Everything said when the process dies after some records and goes on from its checkpoint."""
    partition, said = Partition(), list[Output]()
    for number, record in enumerate(records):
        said += partition.apply(record)
        if number in crash_after:
            partition = Partition.load(partition.dump())
    return said


@given(cases(), st.tuples(SEEDS, SEEDS))
@CALM
def test_batching_and_interleaving_never_show(case: Case, seeds: tuple[int, int]) -> None:
    assert is_batching_invisible(case, seeds, run)


@given(cases(), SEEDS)
@CALM
def test_doubles_never_show(case: Case, seed: int) -> None:
    assert are_doubles_invisible(case, seed, run)


@given(cases(), SEEDS, st.sets(st.integers(0, 400), max_size=30))
@CALM
def test_crashes_after_any_record_never_show(case: Case, seed: int, crash_after: set[int]) -> None:
    records = delivered(case, seed)
    assert run_with_crashes(records, crash_after) == run(records)


@given(cases(), SEEDS, st.integers(0, 400))
@CALM
def test_a_restored_state_is_the_same_to_the_last_byte_and_stays_so(case: Case, seed: int, cut: int) -> None:
    records = delivered(case, seed)
    unbroken = Partition()
    run(records[:cut], unbroken)
    restored = Partition.load(unbroken.dump())
    assert restored.dump() == unbroken.dump()
    assert run(records[cut:], restored) == run(records[cut:], unbroken)
    assert restored.dump() == unbroken.dump()


@given(SEEDS, st.integers(2, 9))
@CALM
def test_on_bad_days_too_crashes_never_show(seed: int, every: int) -> None:
    records = bad_days(seed)
    assert run_with_crashes(records, set(range(0, len(records), every))) == run(records)


@given(cases(), SEEDS, SEEDS)
@CALM
def test_everything_at_once_never_shows(case: Case, seed: int, other: int) -> None:
    plain = run(delivered(case, seed))
    rough = run_with_crashes(delivered(case, other, doubled=0.2), set(range(0, 400, 25)))
    assert verdicts_by_key(plain) == verdicts_by_key(rough)


@given(cases(), SEEDS)
@CALM
def test_a_key_opens_changes_and_clears_in_turn_with_growing_revs(case: Case, seed: int) -> None:
    revs: dict[Key, int] = {}
    open_keys: set[Key] = set()
    for one in run(delivered(case, seed)):
        if not isinstance(one, Opened | Changed | Cleared):
            continue
        key, rev = (one.key, one.rev) if isinstance(one, Cleared) else (one.breach.key, one.breach.rev)
        assert (key in open_keys) != isinstance(one, Opened)
        assert rev > revs.get(key, 0)
        revs[key] = rev
        (open_keys.discard if isinstance(one, Cleared) else open_keys.add)(key)


FINDING = settings(CALM, max_examples=60, phases=[Phase.generate])
"""No shrinking: that a counterexample exists is all that is asked."""


def finds_a_counterexample(is_broken: Callable[[Case, int, int], bool]) -> bool:
    try:
        find(st.tuples(cases(), SEEDS, SEEDS), lambda drawn: is_broken(*drawn), settings=FINDING)
    except NoSuchExample:
        return False
    return True


def test_without_own_deadlines_batching_shows() -> None:
    judge = judge_with(PartitionWithoutOwnDeadlines)
    assert finds_a_counterexample(lambda case, one, other: not is_batching_invisible(case, (one, other), judge))


def test_without_dedupe_doubles_show() -> None:
    judge = judge_with(PartitionWithoutDedupe)
    assert finds_a_counterexample(lambda case, seed, _: not are_doubles_invisible(case, seed, judge))
