"""`hypercare page show`: the whole story of a page, in words."""

from typing import Any

from cli.page import _way

LOST = "the worker ended before the outcome was written down"


def step(second: int, state: str, attempt: int, reason: str | None = None) -> dict[str, Any]:
    return {"state": state, "at": f"2026-02-20T08:00:{second:02}.250000Z", "reason": reason, "attempt": attempt}


def attempt(number: int, outcome: str | None, reason: str | None = None) -> dict[str, Any]:
    return {
        "attempt": number, "provider": "email-smtp-0", "replica": f"notifier-{number}", "outcome": outcome,
        "reason": reason, "started_at": f"2026-02-20T08:00:0{number}Z", "provider_id": None,
    }  # fmt: skip


def page(**changes: object) -> dict[str, Any]:
    delivery = {
        "delivery": "d1", "channel": "email", "to": "ana@example.org", "state": "acknowledged", "due_at": None,
        "attempts": [attempt(1, "Unknown", LOST), attempt(2, "Accepted")],
        "steps": [
            step(0, "queued", 0), step(1, "sending", 1), step(2, "unknown", 1, LOST), step(3, "sending", 2),
            step(4, "accepted", 2), step(9, "acknowledged", 2, "link"),
        ],
    }  # fmt: skip
    stop = {"person": "ana", "page": "p1", "delivery": "d1", "reason": "link", "at": "2026-02-20T08:00:09Z"}
    whole = {
        "page": "p1", "kind": "page", "addressee": "ana", "state": "acknowledged", "incident_name": "erp-down",
        "rung": 0, "round": 0, "requested_at": "2026-02-20T08:00:00Z", "undeliverable_at": None, "stop": stop,
        "deliveries": [delivery],
    }  # fmt: skip
    return {**whole, **changes}


def test_the_story_of_a_page_names_each_state_with_its_time_and_who_acknowledged_by_which_way() -> None:
    assert _way(page()).splitlines() == [
        "page for ana: acknowledged (erp-down)",
        "  2026-02-20 08:00:00.000Z  requested: rung 0, round 0",
        "  email to ana@example.org: acknowledged",
        "    2026-02-20 08:00:00.250Z  queued",
        "    2026-02-20 08:00:01.250Z  sending           attempt 1 by email-smtp-0, from notifier-1",
        f"    2026-02-20 08:00:02.250Z  unknown           {LOST}",
        "    2026-02-20 08:00:03.250Z  sending           attempt 2 by email-smtp-0, from notifier-2",
        "    2026-02-20 08:00:04.250Z  accepted",
        "    2026-02-20 08:00:09.250Z  acknowledged      link",
        (
            "  2026-02-20 08:00:09.000Z  no send begins any more: acknowledged by ana with the link in the email to"
            " ana@example.org"
        ),
    ]


def test_a_page_of_before_states_were_kept_shows_its_sends_and_says_unknown() -> None:
    old = page()
    old["deliveries"][0] |= {"steps": [], "attempts": [attempt(1, None)]}
    assert "2026-02-20 08:00:01.000Z  attempt 1  unknown" in _way(old)


def test_who_took_it_with_the_link_of_another_page_is_said() -> None:
    other = {"person": "joao", "page": "p2", "delivery": "d9", "reason": "link", "at": "2026-02-20T08:00:09Z"}
    assert "acknowledged by joao with the link of page p2" in _way(page(stop=other))
