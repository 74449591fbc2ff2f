"""What the end of an attempt, or a provider's later report, means for a delivery."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from services.notifier.domain.ledger import Attempt, Delivery, Happened, move
from services.notifier.domain.outcomes import (
    Accepted,
    Delivered,
    SendResult,
    TransientFailure,
    Unknown,
)
from shared.contracts.pages import PageState

RETRY_FOR: Final = timedelta(hours=1)
"""A page older than this helps nobody; the next round of the policy makes a new one."""
MOST_ATTEMPTS: Final = 20
WORKER_ENDED: Final = "the worker ended before the outcome was written down"
_FIRST_RETRY: Final = timedelta(seconds=1)
_LONGEST_RETRY: Final = timedelta(minutes=1)
_LONGEST_HINT: Final = timedelta(minutes=5)


def retry_after(attempts: int, asked: timedelta | None = None) -> timedelta:
    """Wait before the next attempt after `attempts` (from 1): 1, 2, 4 … 60 s; never less than the provider asked for.

    Seconds, not the half hours of mail queues: somebody is waiting to be woken. What a provider asks for is capped at
    five minutes.
    """
    own = min(_LONGEST_RETRY, _FIRST_RETRY * float(2 ** min(attempts - 1, 10)))
    return max(own, min(asked, _LONGEST_HINT)) if asked else own


def claim(delivery: Delivery, provider: str, by: str, now: datetime, claim_for: timedelta) -> Delivery:
    """Return the delivery as the send begins; `due_at` is when the claim lapses."""
    begun = move(delivery, Happened.CLAIMED, now)
    started_at = delivery.started_at if delivery.attempts else now
    return replace(
        begun,
        started_at=started_at,
        attempts=delivery.attempts + 1,
        provider=provider,
        claimed_by=by,
        due_at=now + claim_for,
    )


def lapse(delivery: Delivery, now: datetime) -> Delivery:
    """Return a `sending` delivery whose worker has died: unknown, to be resolved at once."""
    return replace(move(delivery, Happened.LOST, now, WORKER_ENDED), due_at=now)


def lapsed_attempt(delivery: Delivery, now: datetime) -> Attempt:
    """Return the attempt of a `sending` delivery whose worker has died, with the only end it can have: unknown."""
    return Attempt(
        delivery=delivery.id,
        number=delivery.attempts,
        provider=delivery.provider or "",
        claimed_by=delivery.claimed_by or "",
        began_at=delivery.changed_at,
        ended_at=now,
        outcome=Unknown.__name__,
        reason=WORKER_ENDED,
    )


def settle(delivery: Delivery, number: int, result: SendResult, now: datetime, *, has_standby: bool) -> Delivery:
    """Return the delivery after attempt `number` ended with `result`.

    An attempt that is no longer the current one (its claim lapsed and another began) can still prove something; its
    failure proves nothing. `has_standby`: another provider of the channel has not been tried in this turn.
    """
    if isinstance(result, Accepted | Delivered):
        return _taken(delivery, result, now)
    if delivery.attempts != number or delivery.state is not PageState.SENDING:
        return delivery
    if isinstance(result, Unknown):
        return _later(move(delivery, Happened.LOST, now, result.reason), now, retry_after(number))
    if isinstance(result, TransientFailure):
        wait = timedelta() if has_standby else retry_after(number, result.retry_in)
        return _later(move(delivery, Happened.FAILED_FOR_NOW, now, result.reason), now, wait)
    if result.who == "us" and has_standby:
        return _later(move(delivery, Happened.FAILED_FOR_NOW, now, result.reason), now, timedelta())
    return move(delivery, Happened.FAILED_FOR_GOOD, now, result.reason)


def report(delivery: Delivery, provider_id: str, result: SendResult, now: datetime) -> Delivery:
    """Return the delivery after the provider reported on `provider_id`.

    Reports come twice, late and out of order. A proof counts whichever attempt it is of; a failure only for the
    attempt the ledger knows as the accepted one, or when it knows none yet (the report overtook the answer).
    """
    if isinstance(result, Accepted | Delivered):
        return _taken(delivery, result, now)
    if delivery.provider_id not in {None, provider_id} or isinstance(result, Unknown):
        return delivery
    event = Happened.FAILED_FOR_NOW if isinstance(result, TransientFailure) else Happened.FAILED_FOR_GOOD
    after = move(delivery, event, now, result.reason)
    if after is delivery:
        return delivery
    after = replace(after, provider_id=provider_id)
    return _later(after, now, retry_after(max(1, after.attempts))) if event is Happened.FAILED_FOR_NOW else after


def _taken(delivery: Delivery, result: Accepted | Delivered, now: datetime) -> Delivery:
    event = Happened.DELIVERED if isinstance(result, Delivered) else Happened.ACCEPTED
    return replace(move(delivery, event, now), provider_id=result.provider_id or delivery.provider_id)


def _later(delivery: Delivery, now: datetime, wait: timedelta) -> Delivery:
    """Put the next attempt off by `wait`, or give up when the page has become too old to help."""
    if delivery.attempts >= MOST_ATTEMPTS or now + wait - delivery.started_at > RETRY_FOR:
        return move(delivery, Happened.GAVE_UP, now, f"gave up after {delivery.attempts} attempts: {delivery.reason}")
    return replace(delivery, due_at=now + wait)
