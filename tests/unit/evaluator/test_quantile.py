"""The linear definition, and judging without sorting."""

from bisect import bisect_right
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.evaluator.domain.quantile import quantile, verdict_by_count
from services.evaluator.domain.window import OrderWindow

VALUES = st.lists(st.integers(-50, 50).map(lambda one: one / 8), min_size=1, max_size=40)
CALM = settings(max_examples=50, derandomize=True, deadline=None)


def reference(values: list[float], percent: int) -> Fraction:
    """Rank q(n - 1), interpolated, in exact arithmetic."""
    ordered = [Fraction(value) for value in sorted(values)]
    rank = Fraction(percent * (len(ordered) - 1), 100)
    below = int(rank)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (rank - below)


@pytest.mark.parametrize(("percent", "expected"), [(0, 1.0), (50, 5.5), (95, 59.05), (100, 100.0)])
def test_the_declared_definition_is_the_linear_one(percent: int, expected: float) -> None:
    assert quantile([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 100.0], percent) == pytest.approx(expected, rel=1e-12)


@given(VALUES, st.integers(0, 100))
@CALM
def test_a_quantile_agrees_with_exact_arithmetic(values: list[float], percent: int) -> None:
    assert quantile(sorted(values), percent) == pytest.approx(float(reference(values, percent)), rel=1e-12, abs=1e-12)


@given(VALUES, st.integers(0, 100), st.integers(-50, 50).map(lambda one: one / 8))
@CALM
def test_counting_never_contradicts_sorting(values: list[float], percent: int, threshold: float) -> None:
    ordered = sorted(values)
    by_count = verdict_by_count(len(ordered), len(ordered) - bisect_right(ordered, threshold), percent)
    assert by_count is None or by_count == (reference(values, percent) > threshold)


@given(VALUES, st.sampled_from([0, 1, 5, 50, 95, 99, 100]), st.integers(-50, 50).map(lambda one: one / 8 + 0.03))
@CALM
def test_a_window_judges_as_if_it_had_sorted(values: list[float], percent: int, threshold: float) -> None:
    # given a window of the ten last values, whose lowest threshold is the one asked for
    window = OrderWindow(10, percent, threshold)
    for instant, value in enumerate(values):
        # when it slides
        window.slide(instant)
        window.add(instant, value)
        # then its answer is that of the sorted values
        inside = values[max(0, instant - 9) : instant + 1]
        assert list(window.values) == inside
        assert window.is_above(threshold) == (quantile(sorted(inside), percent) > threshold)
        assert window.is_calm() == all(one <= threshold for one in inside)
