"""Sliding windows: which values are inside, and that sums do not drift."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from services.evaluator.domain.window import MeanWindow, OrderWindow, refill


def test_a_window_is_open_on_the_left() -> None:
    window = OrderWindow(60, 100, 0.0)
    window.add(0, 9.0)
    window.add(1, 2.0)
    window.slide(60)
    assert window.contents() == ([1], [2.0])


def test_a_huge_value_that_has_left_takes_no_decimals_with_it() -> None:
    window = MeanWindow(10, 0.0)
    for instant, value in enumerate([0.1, 1e15, 0.2, 0.3]):
        window.add(instant, value)
    window.slide(11)
    assert window.aggregate() == 0.25


@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=60))
@settings(max_examples=25, derandomize=True, deadline=None)
def test_a_sliding_mean_is_exactly_rounded(values: list[float]) -> None:
    window = MeanWindow(7, 0.0)
    for instant, value in enumerate(values):
        window.slide(instant)
        window.add(instant, value)
        inside = values[max(0, instant - 6) : instant + 1]
        assert window.aggregate() == float(sum(map(Fraction, inside))) / len(inside)


@given(st.lists(st.floats(-1e6, 1e6), min_size=8, max_size=30))
@settings(max_examples=25, derandomize=True, deadline=None)
def test_a_window_filled_again_answers_the_same(values: list[float]) -> None:
    old, new = MeanWindow(7, 0.0), MeanWindow(7, 0.0)
    for instant, value in enumerate(values):
        old.slide(instant)
        old.add(instant, value)
    refill(new, *old.contents())
    assert new.aggregate() == old.aggregate()
