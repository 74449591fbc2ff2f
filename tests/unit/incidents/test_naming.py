"""What incidents are called."""

from datetime import UTC, datetime

import pytest

from services.incidents.domain.naming import base_name, free_name, slug
from services.incidents.domain.scope import Scope
from shared.values import Location, ServiceId


@pytest.mark.parametrize(
    ("at", "zone", "day"),
    [
        (datetime(2026, 2, 20, 22, 59, tzinfo=UTC), "Europe/Berlin", "2026-02-20"),
        (datetime(2026, 2, 20, 23, 0, tzinfo=UTC), "Europe/Berlin", "2026-02-21"),
        # In summer Berlin is two hours ahead, from 01:00 UTC of the last Sunday of March.
        (datetime(2026, 3, 28, 22, 30, tzinfo=UTC), "Europe/Berlin", "2026-03-28"),
        (datetime(2026, 3, 29, 22, 30, tzinfo=UTC), "Europe/Berlin", "2026-03-30"),
        (datetime(2026, 10, 25, 22, 30, tzinfo=UTC), "Europe/Berlin", "2026-10-25"),
        (datetime(2026, 2, 20, 2, 59, tzinfo=UTC), "America/Sao_Paulo", "2026-02-19"),
        (datetime(2026, 2, 20, 10, 15, tzinfo=UTC), "Pacific/Kiritimati", "2026-02-21"),
    ],
)
def test_the_date_is_the_day_in_the_programmes_zone(at: datetime, zone: str, day: str) -> None:
    assert base_name(at, zone, Scope(ServiceId("erp")), "web-down", "web-down") == f"{day}-web-down"


def test_a_symptom_in_own_words_stands_after_its_service() -> None:
    at = datetime(2026, 2, 20, 8, 0, tzinfo=UTC)

    assert base_name(at, "Europe/Berlin", Scope(ServiceId("erp")), "down", "web-down") == "2026-02-20-erp-down"


def test_a_silent_location_stands_after_its_symptom() -> None:
    at, silent = datetime(2026, 2, 20, 8, 0, tzinfo=UTC), Scope(location=Location("fra"))

    assert base_name(at, "Europe/Berlin", silent, "prober-down", "prober-down") == "2026-02-20-prober-down-fra"


def test_what_is_no_letter_or_digit_becomes_one_hyphen() -> None:
    assert slug("  Checkout is -- SLOW!! ") == "checkout-is-slow"
    assert slug("…") == "incident"
    assert not slug("x" * 79 + " y").endswith("-")


def test_the_second_of_a_name_is_two_and_gaps_are_filled() -> None:
    assert free_name("a", []) == "a"
    assert free_name("a", ["a"]) == "a-2"
    assert free_name("a", ["a", "a-2", "a-4"]) == "a-3"
