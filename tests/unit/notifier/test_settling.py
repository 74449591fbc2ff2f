"""What the end of an attempt means."""

from datetime import UTC, datetime, timedelta

import pytest

from services.notifier.domain.ledger import Delivery
from services.notifier.domain.outcomes import (
    Accepted,
    Delivered,
    PermanentFailure,
    SendResult,
    TransientFailure,
    Unknown,
)
from services.notifier.domain.settling import (
    MOST_ATTEMPTS,
    RETRY_FOR,
    claim,
    lapse,
    lapsed_attempt,
    report,
    retry_after,
    settle,
)
from shared.contracts.pages import PageState
from shared.values import DeliveryId, PageId

NOW = datetime(2026, 2, 20, 8, tzinfo=UTC)
SECOND = timedelta(seconds=1)
CLAIM = 30 * SECOND
QUEUED = Delivery(DeliveryId("d"), PageId("p"), 0, "sms", "+491", True, PageState.QUEUED, NOW, NOW, due_at=NOW)
SENDING = claim(QUEUED, "sms-0", "n1", NOW, CLAIM)


def test_a_claim_says_who_until_when_and_by_which_provider() -> None:
    assert (SENDING.state, SENDING.attempts, SENDING.provider) == (PageState.SENDING, 1, "sms-0")
    assert (SENDING.claimed_by, SENDING.due_at) == ("n1", NOW + CLAIM)


def test_a_lapsed_claim_is_unknown_and_due_at_once() -> None:
    later = NOW + CLAIM
    lost = lapse(SENDING, later)
    assert (lost.state, lost.due_at, lost.claimed_by) == (PageState.UNKNOWN, later, None)


@pytest.mark.parametrize(
    ("result", "state", "due_in"),
    [
        (Accepted("SM1"), PageState.ACCEPTED, None),
        (Delivered("SM1"), PageState.DELIVERED, None),
        (TransientFailure("busy"), PageState.FAILED_TRANSIENT, SECOND),
        (TransientFailure("busy", 7 * SECOND), PageState.FAILED_TRANSIENT, 7 * SECOND),
        (PermanentFailure("no such number", "recipient"), PageState.FAILED_PERMANENT, None),
        (PermanentFailure("bad credentials", "us"), PageState.FAILED_PERMANENT, None),
        (Unknown("no answer"), PageState.UNKNOWN, SECOND),
    ],
)
def test_every_result_has_its_state(result: SendResult, state: PageState, due_in: timedelta | None) -> None:
    after = settle(SENDING, 1, result, NOW, has_standby=False)
    assert (after.state, after.due_at) == (state, due_in and NOW + due_in)


def test_a_standby_takes_over_at_once_from_an_ill_provider_but_not_for_a_wrong_number() -> None:
    for result in (TransientFailure("busy", 60 * SECOND), PermanentFailure("bad credentials", "us")):
        after = settle(SENDING, 1, result, NOW, has_standby=True)
        assert (after.state, after.due_at) == (PageState.FAILED_TRANSIENT, NOW)
    after = settle(SENDING, 1, PermanentFailure("no such number", "recipient"), NOW, has_standby=True)
    assert after.state is PageState.FAILED_PERMANENT


def test_a_late_answer_of_an_older_attempt_proves_but_does_not_fail() -> None:
    second = claim(lapse(SENDING, NOW + CLAIM), "sms-0", "n2", NOW + CLAIM, CLAIM)
    assert settle(second, 1, TransientFailure("late"), NOW + CLAIM, has_standby=False) is second
    assert settle(second, 1, Accepted("SM1"), NOW + CLAIM, has_standby=False).state is PageState.ACCEPTED


def test_an_answer_after_the_report_keeps_the_report() -> None:
    reported = report(SENDING, "SM1", Delivered("SM1"), NOW)
    after = settle(reported, 1, Accepted("SM1"), NOW, has_standby=False)
    assert (after.state, after.provider_id) == (PageState.DELIVERED, "SM1")
    assert settle(reported, 1, Unknown("timeout"), NOW, has_standby=False).state is PageState.DELIVERED


def test_retries_come_in_seconds_and_are_capped() -> None:
    waits = [retry_after(attempt).total_seconds() for attempt in range(1, 9)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert retry_after(1, timedelta(days=1)) == timedelta(minutes=5)
    assert retry_after(8, 2 * SECOND) == timedelta(minutes=1)


def test_it_gives_up_by_age_and_by_count() -> None:
    old = NOW + RETRY_FOR
    after = settle(SENDING, 1, TransientFailure("busy"), old, has_standby=False)
    assert (after.state, after.due_at) == (PageState.DEAD, None)
    assert after.reason == "gave up after 1 attempts: busy"
    worn = claim(QUEUED, "sms-0", "n1", NOW, CLAIM)
    for _ in range(MOST_ATTEMPTS - 1):
        worn = claim(settle(worn, worn.attempts, Unknown("?"), NOW, has_standby=False), "sms-0", "n1", NOW, CLAIM)
    assert settle(worn, MOST_ATTEMPTS, Unknown("?"), NOW, has_standby=False).state is PageState.DEAD


def test_an_undelivered_report_is_a_failure_though_the_message_had_been_accepted() -> None:
    accepted = settle(SENDING, 1, Accepted("SM1"), NOW, has_standby=False)
    assert report(accepted, "SM1", PermanentFailure("30003", "recipient"), NOW).state is PageState.FAILED_PERMANENT
    again = report(accepted, "SM1", TransientFailure("30008"), NOW)
    assert (again.state, again.due_at) == (PageState.FAILED_TRANSIENT, NOW + SECOND)


def test_a_report_on_an_older_message_proves_but_does_not_fail() -> None:
    accepted = settle(SENDING, 1, Accepted("SM2"), NOW, has_standby=False)
    assert report(accepted, "SM1", PermanentFailure("30003", "recipient"), NOW) is accepted
    assert report(accepted, "SM1", Delivered("SM1"), NOW).state is PageState.DELIVERED


def test_reports_out_of_order_never_move_back() -> None:
    delivered = report(SENDING, "SM1", Delivered("SM1"), NOW)
    for late in (Accepted("SM1"), PermanentFailure("30003", "recipient"), TransientFailure("30008")):
        assert report(delivered, "SM1", late, NOW).state is PageState.DELIVERED


def test_the_attempt_of_a_dead_worker_ends_as_unknown() -> None:
    lost = lapsed_attempt(SENDING, NOW + CLAIM)
    assert (lost.number, lost.outcome, lost.ended_at) == (1, "Unknown", NOW + CLAIM)
    assert (lost.claimed_by, lost.began_at) == (SENDING.claimed_by, NOW)
    assert "worker ended" in (lost.reason or "")
