"""What the notifier needs from outside, in its own words."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.notifier.domain.ledger import Attempt, Delivery, Step
from services.notifier.domain.outcomes import SendResult
from services.notifier.domain.page import Book, Stop
from services.notifier.domain.plan import Method
from services.notifier.domain.wording import Outgoing
from shared.contracts.pages import Addressee, PageRequested
from shared.values import DeliveryId, IncidentId, PageId


class Channel(Protocol):
    """One provider of one kind of channel."""

    @property
    def name(self) -> str:
        """Names the provider: `email-smtp-0`."""
        ...

    async def send(self, message: Outgoing) -> SendResult:
        """Hand one message over. Never raises for what the world does: that is what the results are for."""
        ...


class Directory(Protocol):
    """The configuration as it is now: who is reached how, and by which providers."""

    @property
    def public_url(self) -> str:
        """Where people reach us, without a slash at the end."""
        ...

    def methods(self, addressee: Addressee) -> tuple[Method, ...]:
        """The contact methods of an addressee that something configured can carry, in order."""
        ...

    def why_no_methods(self, addressee: Addressee) -> str:
        """In words for people, why `methods` is empty."""
        ...

    def providers(self, kind: str) -> tuple[Channel, ...]:
        """The providers of a kind, the first one first."""
        ...

    def name_of(self, addressee: Addressee) -> str:
        """How to call the addressee."""
        ...


@dataclass(frozen=True)
class PageLine:
    """A page in a list."""

    request: PageRequested
    state: str


@dataclass(frozen=True)
class PageView:
    """A page with everything that happened to it."""

    book: Book
    attempts: dict[DeliveryId, list[Attempt]]
    steps: dict[DeliveryId, list[Step]]
    """Every state each delivery has entered, in order."""
    stops: list[Stop]


class Guard(Protocol):
    """While it is open, no acknowledgement of the incidents concerned can be committed."""

    async def claim(self, work: Callable[[Book, Delivery], None]) -> int:
        """Run `work` on every due delivery and commit; returns how many there were.

        The books are locked and saved with their receipts in one transaction; deliveries that another replica has
        taken meanwhile are left out.
        """
        ...


class Ledger(Protocol):
    """Everything that is known of pages. Each method is one transaction. Raises Transient when storage is away."""

    async def add(self, request: PageRequested, now: datetime, plan: Callable[[Book], None]) -> bool:
        """Keep a new page as `plan` fills it in; False, and nothing happens, when it is known."""
        ...

    async def change(self, page: PageId, work: Callable[[Book], None]) -> bool:
        """Lock a page, run `work` on it, save it with its receipts; False when it is not known."""
        ...

    async def look(self, now: datetime, limit: int, work: Callable[[Book], None]) -> int:
        """Run `work` on pages whose `look_at` has come; returns how many."""
        ...

    async def next_look(self) -> datetime | None:
        """When the next page wants to be looked at."""
        ...

    def due(self, channel: str, now: datetime, limit: int) -> AbstractAsyncContextManager[Guard]:
        """Find due deliveries of a channel and hold acknowledgements of their incidents off until the block ends."""
        ...

    async def next_due(self, channel: str) -> datetime | None:
        """When the next delivery of a channel is due."""
        ...

    async def release(self, claimed_by: str, now: datetime) -> int:
        """Make the claims of a worker that is known to be dead lapse now; returns how many."""
        ...

    async def acknowledge(self, stop: Stop, work: Callable[[Book, Stop], None]) -> Stop:
        """Stop an epoch because somebody took it; returns the acknowledgement that counts, which is the first one.

        `work` runs on the acknowledged page's book and the one that counts. All later claims see the stop.
        """
        ...

    async def cancel(self, stop: Stop) -> None:
        """Stop an epoch; also one of which nothing is known yet."""
        ...

    async def page_of(self, delivery: DeliveryId) -> PageId | None:
        """Which page a delivery belongs to."""
        ...

    async def view(self, page: PageId) -> PageView | None:
        """A page for people."""
        ...

    async def pages(self, incident: str | None, limit: int) -> Sequence[PageLine]:
        """The newest pages first, of one incident (id or name) or of all."""
        ...

    async def newest_epoch(self, incident: IncidentId) -> int:
        """The highest ack epoch that pages of this incident carry; -1 when there are none."""
        ...

    async def stop_of(self, incident: IncidentId, ack_epoch: int) -> Stop | None:
        """What stops pages of this epoch: an acknowledgement before a cancel."""
        ...
