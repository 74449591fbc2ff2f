"""What people read, and the geometry of the small line."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.console.model.trace import Look
from services.console.web.spark import HEIGHT, WIDTH, spark_of
from services.console.web.visitors import safe_next
from services.console.web.words import clock_time, measured, seconds, span
from shared.config.types import Unit
from shared.values import Outcome
from tests.unit.console.things import AT, later


@pytest.mark.parametrize(
    ("value", "wanted"), [(0.0004, "0 ms"), (0.184, "184 ms"), (1.239, "1.24 s"), (12.04, "12.0 s"), (125, "2 min 5 s")]
)
def test_measured_times(value: float, wanted: str) -> None:
    assert seconds(value) == wanted


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3600, "1 h 0 min"), (90_000, "1 d 1 h"), (-61, "1 min 1 s")],
)
def test_spans(value: float, wanted: str) -> None:
    assert span(timedelta(seconds=value)) == wanted


@pytest.mark.parametrize(
    ("value", "unit", "wanted"),
    [
        (86.54, Unit.PERCENT, "86.5 %"),
        (61.0, Unit.MS, "61 ms"),
        (1.5, Unit.S, "1.50 s"),
        (1_536_000, Unit.BYTES, "1.5 MB"),
        (123_456, Unit.NUMBER, "123,456"),
        (0.25, Unit.RATIO, "0.25"),
    ],
)
def test_declared_values(value: float, unit: Unit, wanted: str) -> None:
    assert measured(value, unit) == wanted


@pytest.mark.parametrize(
    ("value", "unit", "wanted"),
    [
        (1.7e18, Unit.MS, "over 1000 d"),
        (-1.7e18, Unit.MS, "under -1000 d"),
        (-65_000, Unit.MS, "-1 min 5 s"),
        (1e308, Unit.S, "over 1000 d"),
        (float("inf"), Unit.S, "over 1000 d"),
        (float("nan"), Unit.S, "no number"),
        (1.7e18, Unit.PERCENT, "1.7e+18 %"),
        (1.7e300, Unit.BYTES, "1.7e+288 TB"),
        (-1.7e18, Unit.NUMBER, "-1.7e+18"),
    ],
)
def test_absurd_values_are_shown_as_what_they_are(value: float, unit: Unit, wanted: str) -> None:
    assert measured(value, unit) == wanted


@given(st.floats(), st.sampled_from(Unit))
def test_every_number_there_is_has_a_few_words(value: float, unit: Unit) -> None:
    assert 0 < len(measured(value, unit)) <= 26


def test_a_time_of_today_needs_no_date() -> None:
    now = datetime(2026, 2, 20, 12, tzinfo=UTC)
    berlin = ZoneInfo("Europe/Berlin")
    assert clock_time(AT, berlin, now) == "09:15:00"
    assert clock_time(AT - timedelta(days=1), berlin, now) == "19 Feb 09:15:00"


def test_no_looks_no_line() -> None:
    assert spark_of([], AT) is None


def test_a_line_breaks_where_there_is_no_number_and_says_so_in_words() -> None:
    looks = [
        Look(later(0).timestamp(), 0.1, Outcome.OK),
        Look(later(60).timestamp(), 0.2, Outcome.OK),
        Look(later(120).timestamp(), None, Outcome.FAILED),
        Look(later(180).timestamp(), 0.3, Outcome.OK),
        Look(later(240).timestamp(), None, Outcome.UNKNOWN),
    ]
    spark = spark_of(looks, later(300))
    assert spark is not None
    assert (len(spark.lines), len(spark.dots), len(spark.failed_at), len(spark.unknown_at)) == (1, 1, 1, 1)
    assert spark.text == "last 5 min 0 s: 1 failed, 1 unknown, usually 200 ms, slowest 300 ms"


def test_everything_is_drawn_inside_the_box() -> None:
    looks = [Look(later(-7200 + 60 * n).timestamp(), n / 10, Outcome.OK) for n in range(121)]
    spark = spark_of(looks, AT, limit_s=1.0)
    assert spark is not None
    points = [tuple(map(float, pair.split(","))) for line in spark.lines for pair in line.split()]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    assert spark.limit_y is not None
    assert 0 <= spark.limit_y <= HEIGHT


def test_a_line_of_absurd_times_is_drawn_inside_the_box_too() -> None:
    looks = [Look(later(60 * n).timestamp(), 1.7e308, Outcome.OK) for n in range(2)]
    spark = spark_of(looks, later(120), limit_s=1.0)
    assert spark is not None
    assert all(0 <= float(pair.split(",")[1]) <= HEIGHT for pair in spark.lines[0].split())
    assert spark.text.endswith("usually over 1000 d, slowest over 1000 d")


def test_a_threshold_far_above_the_numbers_does_not_flatten_them() -> None:
    spark = spark_of([Look(AT.timestamp(), 0.1, Outcome.OK)], AT, limit_s=30)
    assert spark is not None
    assert spark.limit_y is None


@pytest.mark.parametrize(
    "wanted",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        None,
        "",
        "a",
        "/a\nb",
        "/\t/evil.example",
        "/\r/evil.example",
    ],
)
def test_a_login_leads_nowhere_but_here(wanted: str | None) -> None:
    assert safe_next(wanted) == "/"


def test_a_login_leads_back_to_an_incident() -> None:
    assert safe_next("/incidents/i1") == "/incidents/i1"
