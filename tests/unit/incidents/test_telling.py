from datetime import UTC, datetime

import pytest

from services.incidents.domain.telling import in_words


@pytest.mark.parametrize(
    ("at", "timezone", "words"),
    [
        (datetime(2026, 2, 20, 8, 15, tzinfo=UTC), "Europe/Berlin", "2026-02-20 09:15:00 CET (08:15:00 UTC)"),
        (datetime(2026, 7, 20, 8, 15, tzinfo=UTC), "Europe/Berlin", "2026-07-20 10:15:00 CEST (08:15:00 UTC)"),
        (
            datetime(2026, 2, 20, 23, 30, tzinfo=UTC),
            "Europe/Berlin",
            "2026-02-21 00:30:00 CET (2026-02-20 23:30:00 UTC)",
        ),
        (datetime(2026, 2, 20, 8, 15, tzinfo=UTC), "UTC", "2026-02-20 08:15:00 UTC"),
        (datetime(2026, 2, 20, 8, 15, tzinfo=UTC), "Europe/London", "2026-02-20 08:15:00 UTC"),
    ],
)
def test_a_time_in_a_message_is_the_programmes_and_says_its_zone(at: datetime, timezone: str, words: str) -> None:
    assert in_words(at, timezone) == words
