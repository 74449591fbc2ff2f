"""Thirty minutes of watch are thirty minutes covered by samples."""

from datetime import timedelta

import pytest

from services.incidents.domain.watch import begin, seen
from tests.unit.incidents.house import START, minutes


def test_full_coverage_counts_each_minute_once() -> None:
    watch = begin(minutes(3), START)

    for minute in (1, 2):
        watch = seen(watch, START + minutes(minute), 1.0)
    assert not watch.is_over

    assert seen(watch, START + minutes(3), 1.0).is_over


def test_half_coverage_takes_twice_as_long() -> None:
    watch = begin(minutes(1), START)

    watch = seen(watch, START + minutes(1), 0.5)

    assert watch.covered_s == pytest.approx(30)


def test_a_statement_after_an_hour_of_silence_adds_its_own_minute_only() -> None:
    watch = seen(begin(minutes(30), START), START + minutes(60), 1.0)

    assert watch.covered_s == pytest.approx(60)


def test_statements_right_after_changes_are_not_counted_twice() -> None:
    watch = begin(minutes(30), START)

    for second in (10, 20, 20, 15, 30):
        watch = seen(watch, START + timedelta(seconds=second), 1.0)

    assert watch.covered_s == pytest.approx(30)


def test_what_was_covered_before_the_watch_began_does_not_count() -> None:
    watch = seen(begin(minutes(30), START), START + timedelta(seconds=5), 1.0)

    assert watch.covered_s == pytest.approx(5)


@pytest.mark.parametrize(("said", "counted_s"), [(-1.0, 0), (7.0, 60)])
def test_a_coverage_beyond_its_range_is_cut(said: float, counted_s: float) -> None:
    assert seen(begin(minutes(30), START), START + minutes(1), said).covered_s == pytest.approx(counted_s)
