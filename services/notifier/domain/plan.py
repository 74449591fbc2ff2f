"""Which contact method is tried next, when, and when a page is called undeliverable (ADR 0003)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.notifier.domain.ledger import PROVEN, Delivery
from shared.contracts.pages import PageState

PATIENCE: Final = timedelta(seconds=30)
"""How long a method may stay without a result, or without the report it should give, before the next one starts."""

_BEING_TRIED: Final = frozenset({PageState.QUEUED, PageState.SENDING, PageState.UNKNOWN})
_MAY_STILL_WORK: Final = _BEING_TRIED | {PageState.FAILED_TRANSIENT}


@dataclass(frozen=True)
class Method:
    """One way to reach somebody. `reports`: the provider says later whether it has arrived."""

    channel: str
    address: str
    reports: bool = False

    @property
    def key(self) -> str:
        """Names the method, as `Delivery.key` does."""
        return f"{self.channel}:{self.address}"


@dataclass(frozen=True)
class Decision:
    """What to do about a page now, and `because` of what. look_at: decide again then; None: nothing to wait for."""

    because: str
    start: Method | None = None
    is_undeliverable: bool = False
    look_at: datetime | None = None


def decide(
    methods: Sequence[Method], deliveries: Sequence[Delivery], now: datetime, *, is_stopped: bool = False
) -> Decision:
    """Decide whether a page goes on to its next contact method.

    methods: the addressee's, in order, as configured now. A failure moves on at once, also one that is retried
    meanwhile; silence moves on after PATIENCE. A page is undeliverable when no method is left and nothing was
    accepted, at once where all is final, after PATIENCE where something is still being retried.
    """
    if is_stopped:
        return Decision("stopped")
    if any(one.state in PROVEN for one in deliveries):
        return Decision("proven")
    if any(one.state is PageState.ACCEPTED and not one.reports for one in deliveries):
        return Decision("handed_over")
    hopes = [end for one in deliveries if (end := _patience_ends(one, now)) is not None and end > now]
    if hopes:
        return Decision("being_tried", look_at=max(hopes))
    tried = {one.key for one in deliveries}
    left = next((method for method in methods if method.key not in tried), None)
    if left is not None:
        because = "moved_on" if deliveries else "first_method"
        return Decision(because, start=left, look_at=now + PATIENCE)
    return _none_left(deliveries, now)


def _patience_ends(one: Delivery, now: datetime) -> datetime | None:
    """When we stop waiting for this method alone; None when it has failed."""
    if one.state is PageState.ACCEPTED:
        return one.changed_at + PATIENCE
    if one.state is PageState.QUEUED:
        return now + PATIENCE  # not tried yet: our own delay (an outage, a full courier) says nothing of the method
    # A failure that a standby provider takes up at once has not failed yet.
    taken_up = one.state is PageState.FAILED_TRANSIENT and one.due_at is not None and one.due_at <= now
    return one.started_at + PATIENCE if one.state in _BEING_TRIED or taken_up else None


def _none_left(deliveries: Sequence[Delivery], now: datetime) -> Decision:
    if any(one.state is PageState.ACCEPTED for one in deliveries):
        return Decision("accepted_and_silent")
    if any(one.state in _MAY_STILL_WORK for one in deliveries):
        last_hope = min(one.started_at for one in deliveries) + PATIENCE
        if last_hope > now:
            return Decision("being_retried", look_at=last_hope)
    return Decision("no_method_left", is_undeliverable=True)
