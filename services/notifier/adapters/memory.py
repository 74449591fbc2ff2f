"""The ledger in memory: the same port, the same promises, for tests and for reading what the promises are."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.notifier.domain.ledger import OPEN, Attempt, Delivery, Step
from services.notifier.domain.page import Book, Stop, is_suppressible
from services.notifier.ports import Guard, PageLine, PageView
from shared.contracts.pages import PageReceipt, PageRequested, PageState
from shared.values import DeliveryId, IncidentId, PageId


class MemoryLedger:
    """The port `Ledger`. `told` holds the receipts in the order they were committed."""

    def __init__(self) -> None:
        self.told: list[PageReceipt] = []
        self._books: dict[PageId, Book] = {}
        self._attempts: dict[tuple[DeliveryId, int], Attempt] = {}
        self._steps: list[Step] = []
        self._acks: dict[tuple[IncidentId, int], Stop] = {}
        self._tombstones: dict[tuple[IncidentId, int], Stop] = {}
        self._held: Counter[IncidentId] = Counter()
        self._let_go = asyncio.Condition()

    async def add(self, request: PageRequested, now: datetime, plan: Callable[[Book], None]) -> bool:
        """See the port."""
        del now
        if request.page in self._books:
            return False
        book = Book(request)
        plan(book)
        self._commit(book)
        return True

    async def change(self, page: PageId, work: Callable[[Book], None]) -> bool:
        """See the port."""
        if page not in self._books:
            return False
        book = self._open(page)
        work(book)
        self._commit(book)
        return True

    async def look(self, now: datetime, limit: int, work: Callable[[Book], None]) -> int:
        """See the port."""
        asked = [book.page for book in self._books.values() if book.look_at is not None and book.look_at <= now]
        for page in asked[:limit]:
            await self.change(page, work)
        return len(asked[:limit])

    async def next_look(self) -> datetime | None:
        """See the port."""
        return min((book.look_at for book in self._books.values() if book.look_at is not None), default=None)

    async def next_due(self, channel: str) -> datetime | None:
        """See the port."""
        return min((one.due_at for one in self._of(channel) if one.due_at is not None), default=None)

    @contextlib.asynccontextmanager
    async def due(self, channel: str, now: datetime, limit: int) -> AsyncIterator[Guard]:
        """See the port."""
        found = sorted(
            (one.due_at, one.id, one.page) for one in self._of(channel) if one.due_at is not None and one.due_at <= now
        )[:limit]
        incidents = {self._books[page].request.incident for _, _, page in found}
        self._held.update(incidents)
        try:
            yield _Guard(self, [(page, delivery) for _, delivery, page in found], now)
        finally:
            async with self._let_go:
                self._held.subtract(incidents)
                self._let_go.notify_all()

    async def release(self, claimed_by: str, now: datetime) -> int:
        """See the port."""
        mine = [
            one
            for book in self._books.values()
            for one in book.deliveries.values()
            if one.claimed_by == claimed_by and one.state is PageState.SENDING
        ]
        for one in mine:
            self._books[one.page].deliveries[one.id] = replace(one, due_at=now)
        return len(mine)

    async def acknowledge(self, stop: Stop, work: Callable[[Book, Stop], None]) -> Stop:
        """See the port."""
        async with self._alone(stop.incident):
            counts = self._acks.setdefault((stop.incident, stop.ack_epoch), stop)
            self._hasten(stop)
            if stop.page in self._books:
                book = self._open(stop.page)
                work(book, counts)
                self._commit(book)
            return counts

    async def cancel(self, stop: Stop) -> None:
        """See the port."""
        async with self._alone(stop.incident):
            self._tombstones.setdefault((stop.incident, stop.ack_epoch), stop)
            self._hasten(stop)

    async def page_of(self, delivery: DeliveryId) -> PageId | None:
        """See the port."""
        return next((book.page for book in self._books.values() if delivery in book.deliveries), None)

    async def view(self, page: PageId) -> PageView | None:
        """See the port."""
        if page not in self._books:
            return None
        book = self._open(page)
        attempts = {
            one: [attempt for (delivery, _), attempt in sorted(self._attempts.items()) if delivery == one]
            for one in book.deliveries
        }
        stop = await self.stop_of(book.request.incident, book.request.ack_epoch)
        steps = {one: [step for step in self._steps if step.delivery == one] for one in book.deliveries}
        return PageView(book, attempts, steps, [stop] if stop else [])

    async def pages(self, incident: str | None, limit: int) -> Sequence[PageLine]:
        """See the port."""
        wanted = [
            book
            for book in self._books.values()
            if incident in {None, book.request.incident, book.request.incident_name}
        ]
        wanted.sort(key=lambda book: (-book.request.occurred_at.timestamp(), book.page))
        return [PageLine(book.request, book.state.value) for book in wanted[:limit]]

    async def newest_epoch(self, incident: IncidentId) -> int:
        """See the port."""
        epochs = [one.request.ack_epoch for one in self._books.values() if one.request.incident == incident]
        return max(epochs, default=-1)

    async def stop_of(self, incident: IncidentId, ack_epoch: int) -> Stop | None:
        """See the port."""
        for kept in (self._acks, self._tombstones):
            found = sorted((epoch, stop) for (of, epoch), stop in kept.items() if of == incident and epoch >= ack_epoch)
            if found:
                return found[0][1]
        return None

    def claim(self, page: PageId, delivery: DeliveryId, now: datetime, work: Callable[[Book, Delivery], None]) -> int:
        """Run `work` on one delivery if it is still due."""
        book = self._open(page)
        one = book.deliveries[delivery]
        if one.due_at is None or one.due_at > now:
            return 0
        work(book, one)
        self._commit(book)
        return 1

    def _of(self, channel: str) -> list[Delivery]:
        return [one for book in self._books.values() for one in book.deliveries.values() if one.channel == channel]

    def _open(self, page: PageId) -> Book:
        kept = self._books[page]
        stops = [
            stop
            for group in (self._acks, self._tombstones)
            for (incident, epoch), stop in sorted(group.items())
            if incident == kept.request.incident and epoch >= kept.request.ack_epoch
        ]
        stop = stops[0] if stops and is_suppressible(kept.request.kind) else None
        return replace(
            kept, deliveries=dict(kept.deliveries), stop=stop, changed=set(), receipts=[], attempts=[], steps=[]
        )

    def _commit(self, book: Book) -> None:
        self.told += book.receipts
        self._steps += book.steps
        self._attempts |= {(one.delivery, one.number): one for one in book.attempts}
        self._books[book.page] = replace(book, changed=set(), receipts=[], attempts=[], steps=[])

    def _hasten(self, stop: Stop) -> None:
        for book in self._books.values():
            request = book.request
            if (
                is_suppressible(request.kind)
                and request.incident == stop.incident
                and request.ack_epoch <= stop.ack_epoch
            ):
                for one in list(book.deliveries.values()):
                    if one.state in OPEN:
                        book.deliveries[one.id] = replace(one, due_at=stop.at)

    @contextlib.asynccontextmanager
    async def _alone(self, incident: IncidentId) -> AsyncIterator[None]:
        """Wait until no claim of this incident is between its check and the beginning of its send."""
        async with self._let_go:
            await self._let_go.wait_for(lambda: self._held[incident] == 0)
            yield


@dataclass(frozen=True)
class _Guard:
    """The port `Guard`."""

    ledger: MemoryLedger
    found: Sequence[tuple[PageId, DeliveryId]]
    now: datetime

    async def claim(self, work: Callable[[Book, Delivery], None]) -> int:
        """See the port."""
        return sum(self.ledger.claim(page, delivery, self.now, work) for page, delivery in self.found)
