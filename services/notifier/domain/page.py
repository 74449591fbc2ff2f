"""One page with all that is known of its way: what is locked, changed and saved together."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from services.notifier.domain.ledger import Attempt, Delivery, Step
from shared.contracts.base import derived_id
from shared.contracts.pages import PageKind, PageReceipt, PageRequested, PageState
from shared.values import DeliveryId, IncidentId, PageId

_NOTHING_YET: Final = PageState.QUEUED


@dataclass(frozen=True)
class Stop:
    """Why no page of kind `page` with this epoch or an older one is sent any more: an ack or a tombstone."""

    incident: IncidentId
    ack_epoch: int
    reason: str
    at: datetime
    person: str | None = None
    """Who acknowledged; None for a cancel."""
    page: PageId | None = None
    delivery: DeliveryId | None = None


@dataclass
class Book:
    """A page, its deliveries in the order they were started, and what has been added since it was opened.

    stop: what holds the page back, if anything does; it is never set for kinds that are not suppressed.
    """

    request: PageRequested
    deliveries: dict[DeliveryId, Delivery] = field(default_factory=dict)
    stop: Stop | None = None
    look_at: datetime | None = None
    undeliverable_at: datetime | None = None
    changed: set[DeliveryId] = field(default_factory=set)
    receipts: list[PageReceipt] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    @property
    def page(self) -> PageId:
        """The page's name."""
        return self.request.page

    @property
    def state(self) -> PageState:
        """The best that any of its deliveries has proven; `dead` when it could not be delivered."""
        best = max((one.state for one in self.deliveries.values()), key=lambda s: s.rank, default=_NOTHING_YET)
        if self.undeliverable_at is not None and best.rank < PageState.CANCELLED.rank:
            return PageState.DEAD
        return best

    def put(self, delivery: Delivery, now: datetime) -> None:
        """Keep a delivery; a new state adds its receipt."""
        before = self.deliveries.get(delivery.id)
        if delivery is before:
            return
        self.changed.add(delivery.id)
        self.deliveries[delivery.id] = delivery
        if before is None or before.state is not delivery.state:
            self.receipts.append(self._receipt(delivery, now))
            self.steps.append(Step(delivery.id, delivery.state, now, delivery.reason, delivery.attempts))

    def call_undeliverable(self, reason: str, now: datetime) -> None:
        """Say that no contact method is left, once."""
        if self.undeliverable_at is None:
            self.undeliverable_at = now
            self.receipts.append(self.receipt(PageState.DEAD, now, reason=reason, is_undeliverable=True))

    def say_again(self, issue: int, now: datetime) -> None:
        """Repeat how everything stands: whoever asks again for a page that is known has not heard of it.

        issue: counts their asking; part of the receipts' names, else the stream would drop them as said already.
        """
        said = [self._receipt(one, one.changed_at) for one in self.deliveries.values()]
        if self.undeliverable_at is not None:
            reason = "no contact method is left"
            said.append(self.receipt(PageState.DEAD, self.undeliverable_at, reason=reason, is_undeliverable=True))
        for one in said:
            again = derived_id(PageReceipt, one.event_id, "again", issue)
            self.receipts.append(one.model_copy(update={"event_id": again, "occurred_at": min(one.occurred_at, now)}))

    def receipt(
        self, state: PageState, now: datetime, *, reason: str | None = None, is_undeliverable: bool = False
    ) -> PageReceipt:
        """Write a receipt of the page as a whole."""
        request = self.request
        return PageReceipt(
            event_id=derived_id(PageReceipt, self.page, state.value),
            occurred_at=now,
            caused_by=request.event_id,
            page=self.page,
            incident=request.incident,
            ack_epoch=request.ack_epoch,
            addressee=request.addressee,
            kind=request.kind,
            state=state,
            reason=reason,
            undeliverable=is_undeliverable,
            revision=request.revision,
        )

    def _receipt(self, delivery: Delivery, now: datetime) -> PageReceipt:
        whole = self.receipt(delivery.state, now, reason=delivery.reason)
        name = derived_id(PageReceipt, delivery.id, delivery.state.value, delivery.attempts)
        return whole.model_copy(
            update={
                "event_id": name,
                "delivery": delivery.id,
                "channel": delivery.channel,
                "attempt": delivery.attempts,
            }
        )


def is_suppressible(kind: PageKind) -> bool:
    """Only what rings stops at an acknowledgement; what merely tells goes on."""
    return kind is PageKind.PAGE
