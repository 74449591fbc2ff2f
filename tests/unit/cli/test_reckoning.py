from typing import Any

import pytest

from cli.reckoning import disagreements, is_settled, named, ways_of
from cli.told import HOPS, Told
from shared.kit.clock import SystemClock

SID = "SM00000000000000000000000000000001"


def page(*outcomes: str | None, state: str = "accepted", channel: str = "email", sid: str | None = None) -> Any:
    attempts = [{"outcome": outcome, "provider_id": sid} for outcome in outcomes]
    delivery = {"delivery": "d1", "channel": channel, "to": "somewhere", "state": state, "attempts": attempts}
    return {
        "page": "p1", "addressee": "ana", "rung": 2, "kind": "page", "undeliverable_at": None, "deliveries": [delivery],
    }  # fmt: skip


def mail(name: str = "d1") -> dict[str, Any]:
    marks = {"page": "p1", "person": "ana", "rung": "2", "kind": "page"}
    return {"channel": "email", "to": "ana@example.org", "message_id": f"<{name}@example.org>", **marks}


def said(one: Any, *arrivals: dict[str, Any]) -> list[str]:
    return list(disagreements(ways_of([one]), arrivals))


def test_a_page_that_arrived_once_is_as_it_should_be() -> None:
    assert said(page("Accepted"), mail()) == []


def test_a_page_that_arrived_twice_is_named_with_its_person_rung_and_channel() -> None:
    assert said(page("Accepted"), mail(), mail()) == [
        "page p1 for ana (rung 2) by email arrived 2 times; the ledger explains 1"
    ]


@pytest.mark.parametrize("outcome", ["Unknown", None])
def test_where_the_ledger_says_unknown_twice_is_explained_and_thrice_is_not(outcome: str | None) -> None:
    assert said(page(outcome, "Accepted"), mail()) == []
    assert said(page(outcome, "Accepted"), mail(), mail()) == []
    assert len(said(page(outcome, "Accepted"), mail(), mail(), mail())) == 1


def test_a_page_that_was_taken_and_did_not_arrive_is_lost() -> None:
    assert said(page("Accepted")) == ["page p1 for ana (rung 2) by email is accepted in the ledger and did not arrive"]


def test_what_was_refused_or_cancelled_need_not_arrive() -> None:
    assert said(page("PermanentFailure", state="failed_permanent")) == []
    assert said(page(state="cancelled")) == []


def test_what_is_in_no_ledger_is_said() -> None:
    assert said(page("Accepted"), mail(), mail("other")) == [
        "a message to ana@example.org by email arrived and is in no ledger"
    ]


def test_an_sms_is_found_by_the_name_its_provider_gave_it_and_gets_its_marks_from_the_ledger() -> None:
    sms = {"channel": "sms", "to": "+491", "message_id": SID, "page": None, "person": None, "rung": None, "kind": None}
    one = page("Accepted", channel="sms", sid=SID)
    assert said(one, sms) == []
    known = named(sms, ways_of([one]))
    assert (known["page"], known["person"], known["rung"], known["kind"]) == ("p1", "ana", "2", "page")


def test_a_page_is_settled_when_no_attempt_is_due_any_more() -> None:
    assert is_settled(page("Accepted"))
    assert not is_settled(page("Unknown", state="unknown"))
    assert not is_settled({**page(), "deliveries": []})


def test_a_story_is_whole_only_when_ledger_and_sinks_agree() -> None:
    now = SystemClock().now()
    assert Told(at=dict.fromkeys(HOPS, now)).is_whole
    assert not Told(at=dict.fromkeys(HOPS, now), disagreements=["twice"]).is_whole
    assert not Told(at=dict.fromkeys(HOPS[1:], now)).is_whole
