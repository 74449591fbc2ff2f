from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.values import format_duration, parse_duration, partition_of, stable_id


@pytest.mark.parametrize(
    ("text", "seconds"), [("100ms", 0.1), ("5s", 5), ("1m30s", 90), ("24h", 86_400), ("1.5h", 5400), ("7d", 604_800)]
)
def test_durations_are_read_with_their_units(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "5 s", "s", "-5s", "5x", "1m 30s", "5s!"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10**12))
def test_a_written_duration_reads_as_itself(millis: int) -> None:
    value = timedelta(milliseconds=millis)
    assert parse_duration(format_duration(value)) == value


def test_a_partition_never_changes_between_versions() -> None:
    assert [partition_of(name) for name in ("erp-web", "erp-db", "erp-jobs")] == [0, 7, 7]


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_different_parts_have_different_names(one: list[str], two: list[str]) -> None:
    assert (stable_id(*one) == stable_id(*two)) == (one == two)
