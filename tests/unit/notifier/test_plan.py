"""Which contact method is next, and when a page is called undeliverable."""

from datetime import UTC, datetime, timedelta

from services.notifier.domain.ledger import Delivery
from services.notifier.domain.plan import PATIENCE, Method, decide
from shared.contracts.pages import PageState
from shared.values import DeliveryId, PageId

NOW = datetime(2026, 2, 20, 8, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SMS, MAIL, CHAT = Method("sms", "+491", reports=True), Method("email", "a@b"), Method("chat", "U1")
METHODS = (SMS, MAIL, CHAT)


def tried(method: Method, state: PageState, *, ago: timedelta = timedelta(), due: datetime | None = None) -> Delivery:
    at = NOW - ago
    return Delivery(
        DeliveryId(method.key),
        PageId("p"),
        0,
        method.channel,
        method.address,
        method.reports,
        state,
        at,
        at,
        due_at=due,
    )


def test_the_first_method_is_started_at_once() -> None:
    decision = decide(METHODS, [], NOW)
    assert (decision.start, decision.look_at, decision.because) == (SMS, NOW + PATIENCE, "first_method")


def test_nobody_to_reach_is_undeliverable_at_once() -> None:
    assert decide((), [], NOW).is_undeliverable


def test_a_method_being_tried_is_waited_for() -> None:
    for state in (PageState.SENDING, PageState.UNKNOWN, PageState.ACCEPTED):
        decision = decide(METHODS, [tried(SMS, state, ago=29 * SECOND)], NOW)
        assert (decision.start, decision.look_at, decision.because) == (None, NOW + SECOND, "being_tried")


def test_a_failure_moves_on_at_once() -> None:
    for state in (PageState.FAILED_PERMANENT, PageState.FAILED_TRANSIENT, PageState.DEAD):
        decision = decide(METHODS, [tried(SMS, state, due=NOW + SECOND)], NOW)
        assert (decision.start, decision.because) == (MAIL, "moved_on")


def test_a_failure_that_a_standby_takes_up_has_not_failed_yet() -> None:
    assert decide(METHODS, [tried(SMS, PageState.FAILED_TRANSIENT, due=NOW)], NOW).because == "being_tried"


def test_silence_moves_on_after_thirty_seconds() -> None:
    for state in (PageState.ACCEPTED, PageState.SENDING, PageState.UNKNOWN):
        assert decide(METHODS, [tried(SMS, state, ago=PATIENCE)], NOW).start == MAIL


def test_an_outage_of_ours_before_the_first_attempt_is_not_held_against_the_method() -> None:
    decision = decide(METHODS, [tried(SMS, PageState.QUEUED, ago=PATIENCE * 10)], NOW)
    assert (decision.start, decision.look_at) == (None, NOW + PATIENCE)


def test_a_channel_that_never_reports_is_not_waited_for() -> None:
    decision = decide(METHODS, [tried(MAIL, PageState.ACCEPTED, ago=PATIENCE * 10)], NOW)
    assert (decision.start, decision.look_at, decision.because) == (None, None, "handed_over")


def test_a_late_delivery_report_ends_the_search() -> None:
    deliveries = [tried(SMS, PageState.DELIVERED), tried(MAIL, PageState.FAILED_PERMANENT)]
    assert decide(METHODS, deliveries, NOW).because == "proven"


def test_a_stopped_page_starts_nothing() -> None:
    decision = decide(METHODS, [tried(SMS, PageState.FAILED_PERMANENT)], NOW, is_stopped=True)
    assert (decision.start, decision.is_undeliverable, decision.look_at) == (None, False, None)


def test_no_method_left_is_undeliverable() -> None:
    failed = [tried(method, PageState.FAILED_PERMANENT) for method in METHODS]
    decision = decide(METHODS, failed, NOW)
    assert (decision.is_undeliverable, decision.because) == (True, "no_method_left")


def test_what_is_still_retried_gets_thirty_seconds_before_the_next_person_is_paged() -> None:
    failed = [tried(MAIL, PageState.FAILED_TRANSIENT, ago=10 * SECOND, due=NOW + SECOND)]
    waiting = decide((MAIL,), failed, NOW)
    assert (waiting.is_undeliverable, waiting.look_at) == (False, NOW + 20 * SECOND)
    assert decide((MAIL,), failed, NOW + 20 * SECOND).is_undeliverable


def test_accepted_and_silent_with_nothing_left_is_not_called_undeliverable() -> None:
    decision = decide((SMS,), [tried(SMS, PageState.ACCEPTED, ago=PATIENCE)], NOW)
    assert (decision.is_undeliverable, decision.because) == (False, "accepted_and_silent")


def test_a_method_the_configuration_has_dropped_is_not_tried_again() -> None:
    decision = decide((MAIL,), [tried(SMS, PageState.FAILED_PERMANENT), tried(MAIL, PageState.DEAD)], NOW)
    assert decision.is_undeliverable


def test_a_method_the_configuration_has_gained_is_tried() -> None:
    assert decide((SMS, CHAT), [tried(SMS, PageState.DEAD)], NOW).start == CHAT
