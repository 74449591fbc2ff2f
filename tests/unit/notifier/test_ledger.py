"""The table of states, cell by cell: what is written here is what the code must do."""

from datetime import UTC, datetime, timedelta

import pytest

from services.notifier.domain.ledger import OPEN, PROVEN, TRANSITIONS, Delivery, Happened, move
from shared.contracts.pages import PageState
from shared.values import DeliveryId, PageId

NOW = datetime(2026, 2, 20, 8, tzinfo=UTC)

EXPECTED = {
    PageState.QUEUED: {
        Happened.CLAIMED: PageState.SENDING,
        Happened.ACCEPTED: PageState.ACCEPTED,
        Happened.DELIVERED: PageState.DELIVERED,
        Happened.SEEN: PageState.SEEN,
        Happened.ACKNOWLEDGED: PageState.ACKNOWLEDGED,
        Happened.FAILED_FOR_GOOD: PageState.FAILED_PERMANENT,
        Happened.GAVE_UP: PageState.DEAD,
        Happened.STOPPED: PageState.CANCELLED,
    },
    PageState.SENDING: {
        Happened.ACCEPTED: PageState.ACCEPTED,
        Happened.DELIVERED: PageState.DELIVERED,
        Happened.SEEN: PageState.SEEN,
        Happened.ACKNOWLEDGED: PageState.ACKNOWLEDGED,
        Happened.FAILED_FOR_NOW: PageState.FAILED_TRANSIENT,
        Happened.FAILED_FOR_GOOD: PageState.FAILED_PERMANENT,
        Happened.LOST: PageState.UNKNOWN,
    },
    PageState.UNKNOWN: {
        Happened.CLAIMED: PageState.SENDING,
        Happened.ACCEPTED: PageState.ACCEPTED,
        Happened.DELIVERED: PageState.DELIVERED,
        Happened.SEEN: PageState.SEEN,
        Happened.ACKNOWLEDGED: PageState.ACKNOWLEDGED,
        Happened.FAILED_FOR_NOW: PageState.FAILED_TRANSIENT,
        Happened.FAILED_FOR_GOOD: PageState.FAILED_PERMANENT,
        Happened.GAVE_UP: PageState.DEAD,
        Happened.STOPPED: PageState.CANCELLED,
    },
    PageState.FAILED_TRANSIENT: {
        Happened.CLAIMED: PageState.SENDING,
        Happened.ACCEPTED: PageState.ACCEPTED,
        Happened.DELIVERED: PageState.DELIVERED,
        Happened.SEEN: PageState.SEEN,
        Happened.ACKNOWLEDGED: PageState.ACKNOWLEDGED,
        Happened.FAILED_FOR_GOOD: PageState.FAILED_PERMANENT,
        Happened.GAVE_UP: PageState.DEAD,
        Happened.STOPPED: PageState.CANCELLED,
    },
    PageState.FAILED_PERMANENT: {
        Happened.DELIVERED: PageState.DELIVERED,
        Happened.SEEN: PageState.SEEN,
        Happened.ACKNOWLEDGED: PageState.ACKNOWLEDGED,
    },
    PageState.DEAD: {
        Happened.ACCEPTED: PageState.ACCEPTED,
        Happened.DELIVERED: PageState.DELIVERED,
        Happened.SEEN: PageState.SEEN,
        Happened.ACKNOWLEDGED: PageState.ACKNOWLEDGED,
    },
    PageState.CANCELLED: {
        Happened.ACCEPTED: PageState.ACCEPTED,
        Happened.DELIVERED: PageState.DELIVERED,
        Happened.SEEN: PageState.SEEN,
        Happened.ACKNOWLEDGED: PageState.ACKNOWLEDGED,
    },
    PageState.ACCEPTED: {
        Happened.DELIVERED: PageState.DELIVERED,
        Happened.SEEN: PageState.SEEN,
        Happened.ACKNOWLEDGED: PageState.ACKNOWLEDGED,
        Happened.FAILED_FOR_NOW: PageState.FAILED_TRANSIENT,
        Happened.FAILED_FOR_GOOD: PageState.FAILED_PERMANENT,
    },
    PageState.DELIVERED: {
        Happened.SEEN: PageState.SEEN,
        Happened.ACKNOWLEDGED: PageState.ACKNOWLEDGED,
    },
    PageState.SEEN: {Happened.ACKNOWLEDGED: PageState.ACKNOWLEDGED},
    PageState.ACKNOWLEDGED: {},
}


def delivery(state: PageState) -> Delivery:
    return Delivery(DeliveryId("d"), PageId("p"), 0, "sms", "+491", True, state, NOW, NOW, due_at=NOW)


@pytest.mark.parametrize("event", Happened)
@pytest.mark.parametrize("state", PageState)
def test_every_cell_of_the_table(state: PageState, event: Happened) -> None:
    later = NOW + timedelta(seconds=1)
    before = delivery(state)
    after = move(before, event, later, "because")
    expected = EXPECTED[state].get(event)
    if expected is None:
        assert after is before
    else:
        assert (after.state, after.changed_at, after.reason) == (expected, later, "because")


def test_the_table_is_whole() -> None:
    assert set(TRANSITIONS) == {(state, event) for state in PageState for event in Happened}


@pytest.mark.parametrize(("cell", "after"), TRANSITIONS.items())
def test_a_proof_is_never_taken_back(cell: tuple[PageState, Happened], after: PageState) -> None:
    before, _ = cell
    if before in PROVEN:
        assert after.rank >= before.rank


@pytest.mark.parametrize("after", [after for after in PageState if after not in OPEN])
def test_what_waits_for_no_attempt_has_none_due(after: PageState) -> None:
    for (before, event), to in TRANSITIONS.items():
        if to is after and before is not after:
            assert move(delivery(before), event, NOW).due_at is None
