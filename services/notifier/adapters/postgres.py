"""The ledger in Postgres, schema `notifier`.

Locks are always taken in this order: an incident's stop lock (advisory), then pages. A claim shares the stop lock in
its session from before its check until its send has begun; an acknowledgement takes it alone in its transaction.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
from pydantic_core import to_json

from services.notifier.domain.ledger import Attempt, Delivery, Step
from services.notifier.domain.page import Book, Stop, is_suppressible
from services.notifier.ports import Guard, PageLine, PageView
from shared.contracts.pages import PageRequested, PageState
from shared.kit.crash_points import reached
from shared.kit.errors import Transient
from shared.kit.outbox import Outbox
from shared.kit.postgres import TRANSIENT, Connection, Queries, transaction
from shared.values import DeliveryId, IncidentId, PageId

SQL: Final = Queries(Path(__file__).parent.parent / "queries.sql")
ON_THE_WAY: Final = frozenset({PageState.QUEUED, PageState.SENDING})
COALESCE_S: Final = 0.15
"""Receipts that only say "on its way" wait for the next one: publishing them must not slow the send they tell of."""
MIGRATIONS: Final = Path(__file__).parent.parent / "migrations"


@dataclass(frozen=True)
class _Candidate:
    delivery: DeliveryId
    page: PageId
    incident: IncidentId


class PostgresLedger:
    """The port `Ledger`. Receipts go through the outbox, under the page as key, so that they keep their order."""

    def __init__(self, db: asyncpg.Pool, outbox: Outbox) -> None:
        self._db = db
        self._outbox = outbox

    async def add(self, request: PageRequested, now: datetime, plan: Callable[[Book], None]) -> bool:
        """See the port."""
        del now
        book = Book(request)
        async with transaction(self._db) as connection:
            is_new = await connection.fetchval(
                SQL["add_page"], request.page, request.incident, request.incident_name, request.ack_epoch,
                request.kind.value, request.model_dump_json(), request.occurred_at,
            )  # fmt: skip
            if is_new:
                plan(book)
                await self._save(connection, [book])
        self._wake([book])
        return bool(is_new)

    async def change(self, page: PageId, work: Callable[[Book], None]) -> bool:
        """See the port."""
        async with transaction(self._db) as connection:
            await connection.execute(SQL["lock_page"], page)
            books = await _load(connection, [page])
            for book in books:
                work(book)
            await self._save(connection, books)
        self._wake(books)
        return bool(books)

    async def look(self, now: datetime, limit: int, work: Callable[[Book], None]) -> int:
        """See the port."""
        async with transaction(self._db) as connection:
            rows = await connection.fetch(SQL["lock_pages_to_look_at"], now, limit)
            books = await _load(connection, [row["page"] for row in rows])
            for book in books:
                work(book)
            await self._save(connection, books)
        self._wake(books)
        return len(books)

    async def next_look(self) -> datetime | None:
        """See the port."""
        at: datetime | None = await self._value("next_look")
        return at

    async def next_due(self, channel: str) -> datetime | None:
        """See the port."""
        at: datetime | None = await self._value("next_due", channel)
        return at

    @contextlib.asynccontextmanager
    async def due(self, channel: str, now: datetime, limit: int) -> AsyncIterator[Guard]:
        """See the port."""
        async with _connection(self._db) as connection:
            rows = await connection.fetch(SQL["peek_due"], channel, now, limit)
            found = [_Candidate(row["delivery"], row["page"], row["incident"]) for row in rows]
            if not found:
                yield _Guard(self, connection, found, now)
                return
            try:
                await connection.execute(SQL["hold_acks_off"], sorted({one.incident for one in found}))
                yield _Guard(self, connection, found, now)
            finally:
                if not connection.is_closed():
                    await connection.execute(SQL["let_acks_go"])

    async def claim(
        self, connection: Connection, found: Sequence[_Candidate], now: datetime, work: Callable[[Book, Delivery], None]
    ) -> int:
        """One transaction on the connection that holds the stop locks."""
        wanted = {one.delivery for one in found}
        count = 0
        async with connection.transaction():
            rows = await connection.fetch(SQL["lock_free_pages"], sorted({one.page for one in found}))
            books = await _load(connection, [row["page"] for row in rows])
            for book in books:
                for delivery in list(book.deliveries.values()):
                    if delivery.id in wanted and delivery.due_at is not None and delivery.due_at <= now:
                        work(book, delivery)
                        count += 1
            await self._save(connection, books)
            reached("commit.before")
        reached("commit.after")
        self._wake(books)
        return count

    async def release(self, claimed_by: str, now: datetime) -> int:
        """See the port."""
        async with transaction(self._db) as connection:
            done: str = await connection.execute(SQL["release"], claimed_by, now)
        return int(done.rsplit(maxsplit=1)[-1])

    async def acknowledge(self, stop: Stop, work: Callable[[Book, Stop], None]) -> Stop:
        """See the port."""
        async with transaction(self._db) as connection:
            await connection.execute(SQL["stop_alone"], stop.incident)
            await connection.execute(
                SQL["add_ack"], stop.incident, stop.ack_epoch, stop.person, stop.page, stop.delivery, stop.reason,
                stop.at,
            )  # fmt: skip
            counts = _stop(await connection.fetchrow(SQL["ack_of"], stop.incident, stop.ack_epoch))
            await connection.execute(SQL["hasten_stopped"], stop.incident, stop.ack_epoch, stop.at)
            if stop.page is not None:
                await connection.execute(SQL["lock_page"], stop.page)
            books = await _load(connection, [stop.page])
            for book in books:
                work(book, counts)
            await self._save(connection, books)
        self._wake(books)
        return counts

    async def cancel(self, stop: Stop) -> None:
        """See the port."""
        async with transaction(self._db) as connection:
            await connection.execute(SQL["stop_alone"], stop.incident)
            await connection.execute(SQL["add_tombstone"], stop.incident, stop.ack_epoch, stop.reason, stop.at)
            await connection.execute(SQL["hasten_stopped"], stop.incident, stop.ack_epoch, stop.at)

    async def page_of(self, delivery: DeliveryId) -> PageId | None:
        """See the port."""
        page: PageId | None = await self._value("page_of", delivery)
        return page

    async def view(self, page: PageId) -> PageView | None:
        """See the port."""
        async with transaction(self._db) as connection:
            books = await _load(connection, [page])
            if not books:
                return None
            attempts: dict[DeliveryId, list[Attempt]] = {one: [] for one in books[0].deliveries}
            for row in await connection.fetch(SQL["attempts_of"], page):
                attempts[row["delivery"]].append(Attempt(**dict(row)))
            steps: dict[DeliveryId, list[Step]] = {one: [] for one in books[0].deliveries}
            for row in await connection.fetch(SQL["steps_of"], page):
                steps[row["delivery"]].append(Step(**{**dict(row), "state": PageState(row["state"])}))
            stop = await connection.fetchrow(SQL["stop_of"], books[0].request.incident, books[0].request.ack_epoch)
            return PageView(books[0], attempts, steps, [_stop(stop)] if stop else [])

    async def pages(self, incident: str | None, limit: int) -> Sequence[PageLine]:
        """See the port."""
        async with transaction(self._db) as connection:
            order = [row["page"] for row in await connection.fetch(SQL["newest_pages"], incident, limit)]
            books = {book.page: book for book in await _load(connection, order)}
        return [PageLine(books[page].request, books[page].state.value) for page in order]

    async def newest_epoch(self, incident: IncidentId) -> int:
        """See the port."""
        epoch: int = await self._value("newest_epoch", incident)
        return epoch

    async def stop_of(self, incident: IncidentId, ack_epoch: int) -> Stop | None:
        """See the port."""
        async with transaction(self._db) as connection:
            row = await connection.fetchrow(SQL["stop_of"], incident, ack_epoch)
        return _stop(row) if row else None

    async def _value(self, query: str, *arguments: object) -> Any:
        async with _connection(self._db) as connection:
            return await connection.fetchval(SQL[query], *arguments)

    async def _save(self, connection: Connection, books: Sequence[Book]) -> None:
        """Write everything that may have changed, and the receipts beside it."""
        pages = [
            {"page": book.page, "look_at": book.look_at, "undeliverable_at": book.undeliverable_at} for book in books
        ]
        deliveries = [_row(book.deliveries[one]) for book in books for one in book.changed]
        attempts = [one for book in books for one in book.attempts]
        steps = [one for book in books for one in book.steps]
        await connection.execute(
            SQL["save"], *[to_json(rows).decode() for rows in (pages, deliveries, attempts, steps)]
        )
        await self._outbox.put(connection, {book.page: book.receipts for book in books})

    def _wake(self, books: Iterable[Book]) -> None:
        for book in books:
            if book.receipts:
                on_the_way = all(receipt.state in ON_THE_WAY for receipt in book.receipts)
                self._outbox.wake(book.page, after_s=COALESCE_S if on_the_way else 0.0)


class _Guard:
    """The port `Guard`."""

    def __init__(
        self, ledger: PostgresLedger, connection: Connection, found: Sequence[_Candidate], now: datetime
    ) -> None:
        self._ledger, self._connection, self._found, self._now = ledger, connection, found, now

    async def claim(self, work: Callable[[Book, Delivery], None]) -> int:
        """See the port."""
        if not self._found:
            return 0
        return await self._ledger.claim(self._connection, self._found, self._now, work)


@contextlib.asynccontextmanager
async def _connection(db: asyncpg.Pool) -> AsyncIterator[Connection]:
    """A connection outside a transaction, the driver's passing troubles in our words."""
    try:
        async with db.acquire(timeout=5) as connection:
            yield connection
    except TRANSIENT as error:
        raise Transient(f"database: {error!r}") from error


async def _load(connection: Connection, pages: Sequence[PageId | None]) -> list[Book]:
    """Read books in the given order of their names' list, with what holds them back by now."""
    if not pages:
        return []
    books = {}
    for row in await connection.fetch(SQL["pages_with_stops"], pages):
        request = PageRequested.model_validate_json(row["request"])
        stop = _stop_beside(row) if is_suppressible(request.kind) and row["stop_incident"] else None
        books[request.page] = Book(request, stop=stop, look_at=row["look_at"], undeliverable_at=row["undeliverable_at"])
    for row in await connection.fetch(SQL["deliveries_of"], pages):
        delivery = _delivery(row)
        books[delivery.page].deliveries[delivery.id] = delivery
    return list(books.values())


def _delivery(row: Any) -> Delivery:
    fields = dict(row)
    name, state = fields.pop("delivery"), PageState(fields.pop("state"))
    return Delivery(id=name, state=state, **fields)


def _row(one: Delivery) -> dict[str, object]:
    fields = asdict(one)
    return {"delivery": fields.pop("id"), **fields}


def _stop(row: Any) -> Stop:
    return Stop(
        row["incident"], row["ack_epoch"], row["reason"], row["at"], row["person"], row["page"], row["delivery"]
    )


def _stop_beside(row: Any) -> Stop:
    """Read the stop out of a row that also has a page."""
    return Stop(
        row["stop_incident"], row["stop_epoch"], row["reason"], row["at"], row["person"], row["stop_page"],
        row["delivery"],
    )  # fmt: skip
