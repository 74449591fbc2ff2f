"""What every ledger promises: the same tests in memory and on Postgres."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from services.notifier.adapters.memory import MemoryLedger
from services.notifier.adapters.postgres import MIGRATIONS, PostgresLedger
from services.notifier.domain.ledger import Attempt, Delivery, Happened, move
from services.notifier.domain.page import Book, Stop
from services.notifier.domain.settling import claim
from services.notifier.ports import Ledger
from shared.contracts.base import derived_id
from shared.contracts.pages import Addressee, PageKind, PageRequested, PageState, delivery_id, page_id
from shared.kit.migrations import migrate, read_migrations
from shared.kit.outbox import Outbox
from shared.values import IncidentId, PersonId
from tests.fakes.embedded import drop_database, new_database

NOW = datetime(2026, 2, 20, 8, tzinfo=UTC)
SECOND = timedelta(seconds=1)
CLAIM = 30 * SECOND
LONG_ENOUGH_S = 0.3
"""In which an acknowledgement that waits for nothing is through."""


class Mute(Outbox):
    """Keeps receipts and publishes none: there is no bus here."""

    def wake(self, key: str, *, after_s: float = 0.0) -> None:
        del key, after_s


@pytest.fixture(params=["memory", "postgres"])
async def ledger(request: pytest.FixtureRequest) -> AsyncIterator[Ledger]:
    if request.param == "memory":
        yield MemoryLedger()
        return
    server = request.getfixturevalue("postgres_server")
    dsn = await new_database(server)
    await migrate(dsn, "notifier", read_migrations(MIGRATIONS))
    async with asyncpg.create_pool(dsn, min_size=1, max_size=6, server_settings={"search_path": "notifier"}) as db:
        yield PostgresLedger(db, Mute(db, None, "/test"))  # type: ignore[arg-type]  # it never publishes
    await drop_database(server, dsn)


def asked(
    person: str = "ana", *, incident: str = "inc", epoch: int = 0, kind: str = "page", **more: Any
) -> PageRequested:
    who = Addressee(person=PersonId(person))
    page = page_id(IncidentId(incident), epoch, 0, 0, who, kind)
    fields: dict[str, Any] = {
        "event_id": derived_id(PageRequested, page, 0), "occurred_at": NOW, "page": page, "incident": incident,
        "incident_name": f"2026-02-20-{incident}", "service": "erp-web", "ack_epoch": epoch, "round": 0, "rung": 0,
        "addressee": who, "kind": kind, "severity": "critical", "title": "ERP is down", "lines": ["because"],
    }  # fmt: skip
    return PageRequested.model_validate({**fields, **more})


def queue(*channels: str, at: datetime = NOW) -> Callable[[Book], None]:
    def plan(book: Book) -> None:
        for position, channel in enumerate(channels):
            one = delivery_id(book.page, channel)
            book.put(Delivery(one, book.page, position, channel, "to", False, PageState.QUEUED, at, at, due_at=at), at)

    return plan


async def claimed(ledger: Ledger, channel: str = "email", *, now: datetime = NOW, limit: int = 10) -> list[Delivery]:
    """Claim what is due as a courier does; cancelled ones are not in the answer."""
    found: list[Delivery] = []

    def work(book: Book, delivery: Delivery) -> None:
        if book.stop is not None:
            book.put(move(delivery, Happened.STOPPED, now, book.stop.reason), now)
            return
        begun = claim(delivery, f"{channel}-0", "n1", now, CLAIM)
        book.put(begun, now)
        book.attempts.append(Attempt(begun.id, begun.attempts, f"{channel}-0", "n1", now))
        found.append(begun)

    async with ledger.due(channel, now, limit) as guard:
        await guard.claim(work)
    return found


async def test_a_page_is_kept_once_and_comes_back_whole(ledger: Ledger) -> None:
    page = asked()
    assert await ledger.add(page, NOW, queue("email"))
    assert not await ledger.add(page, NOW, queue("email", "sms"))
    view = await ledger.view(page.page)
    assert view is not None
    assert view.book.request == page
    [one] = view.book.deliveries.values()
    assert (one.channel, one.state, one.due_at) == ("email", PageState.QUEUED, NOW)
    assert await ledger.page_of(one.id) == page.page


async def test_what_is_not_known_is_none(ledger: Ledger) -> None:
    page = asked()
    assert await ledger.view(page.page) is None
    assert await ledger.page_of(delivery_id(page.page, "email")) is None
    assert not await ledger.change(page.page, lambda _: None)
    assert await ledger.stop_of(IncidentId("inc"), 0) is None
    assert await ledger.next_due("email") is None
    assert await ledger.next_look() is None


async def test_due_deliveries_are_claimed_once_oldest_first_and_per_channel(ledger: Ledger) -> None:
    for number in range(3):
        await ledger.add(asked(f"p{number}"), NOW, queue("email", "sms", at=NOW + number * SECOND))
    assert await ledger.next_due("email") == NOW
    first = await claimed(ledger, now=NOW + SECOND, limit=1)
    second = await claimed(ledger, now=NOW + SECOND)
    assert [one.started_at for one in (*first, *second)] == [NOW + SECOND] * 2
    assert {one.id for one in first} & {one.id for one in second} == set()
    assert await claimed(ledger, now=NOW + SECOND) == []
    assert len(await claimed(ledger, "sms", now=NOW + 2 * SECOND)) == 3


async def test_a_claim_lapses_and_a_dead_workers_claims_can_be_released(ledger: Ledger) -> None:
    await ledger.add(asked(), NOW, queue("email"))
    await claimed(ledger)
    assert await ledger.next_due("email") == NOW + CLAIM
    assert await ledger.release("somebody else", NOW) == 0
    assert await ledger.release("n1", NOW) == 1
    assert await ledger.next_due("email") == NOW


async def test_changes_and_attempts_are_kept(ledger: Ledger) -> None:
    page = asked()
    await ledger.add(page, NOW, queue("email"))
    [one] = await claimed(ledger)
    ended = Attempt(one.id, 1, "email-0", "n1", NOW, NOW + SECOND, "Accepted", None, "x-1")

    def settle(book: Book) -> None:
        book.put(replace(book.deliveries[one.id], state=PageState.ACCEPTED, provider_id="x-1", due_at=None), NOW)
        book.attempts.append(ended)
        book.look_at = NOW + CLAIM
        book.undeliverable_at = NOW

    assert await ledger.change(page.page, settle)
    view = await ledger.view(page.page)
    assert view is not None
    assert view.attempts == {one.id: [ended]}
    assert [(step.state, step.at, step.attempt) for step in view.steps[one.id]] == [
        (PageState.QUEUED, NOW, 0), (PageState.SENDING, NOW, 1), (PageState.ACCEPTED, NOW, 1),
    ]  # fmt: skip
    assert view.book.deliveries[one.id].provider_id == "x-1"
    assert (view.book.look_at, view.book.undeliverable_at) == (NOW + CLAIM, NOW)
    assert await ledger.next_look() == NOW + CLAIM
    assert await ledger.look(NOW, 10, lambda _: None) == 0
    assert await ledger.look(NOW + CLAIM, 10, lambda book: setattr(book, "look_at", None)) == 1
    assert await ledger.next_look() is None


async def test_work_that_raises_changes_nothing(ledger: Ledger) -> None:
    page = asked()
    await ledger.add(page, NOW, queue("email"))

    def fail(book: Book) -> None:
        book.undeliverable_at = NOW
        book.put(replace(next(iter(book.deliveries.values())), state=PageState.DEAD), NOW)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await ledger.change(page.page, fail)
    view = await ledger.view(page.page)
    assert view is not None
    assert (view.book.state, view.book.undeliverable_at) == (PageState.QUEUED, None)


async def test_an_acknowledgement_stops_its_epoch_and_older_ones_and_nothing_else(ledger: Ledger) -> None:
    pages = {
        "older": asked(epoch=0), "same": asked(epoch=1), "newer": asked(epoch=2), "other": asked(incident="other"),
        "update": asked("joao", epoch=1, kind=PageKind.UPDATE.value),
    }  # fmt: skip
    for page in pages.values():
        await ledger.add(page, NOW, queue("email"))
    stop = Stop(IncidentId("inc"), 1, "link", NOW, "ana")
    assert await ledger.acknowledge(stop, lambda _book, _stop: None) == stop
    sent = {one.page for one in await claimed(ledger)}
    assert sent == {pages[name].page for name in ("newer", "other", "update")}
    states = {name: view.book.state for name, page in pages.items() if (view := await ledger.view(page.page))}
    assert (states["older"], states["same"]) == (PageState.CANCELLED, PageState.CANCELLED)


async def test_the_first_acknowledgement_counts(ledger: Ledger) -> None:
    first, second = (Stop(IncidentId("inc"), 0, "link", NOW, who) for who in ("ana", "joao"))
    seen: list[Stop] = []
    page = asked()
    await ledger.add(page, NOW, queue("email"))
    for stop in (first, replace(second, page=page.page)):
        assert await ledger.acknowledge(stop, lambda _book, counts: seen.append(counts)) == first
    assert seen == [first]
    assert await ledger.stop_of(IncidentId("inc"), 0) == first
    assert await ledger.stop_of(IncidentId("inc"), 1) is None


async def test_the_newest_epoch_is_that_of_the_incidents_own_pages(ledger: Ledger) -> None:
    assert await ledger.newest_epoch(IncidentId("inc")) == -1
    for epoch in (0, 2, 1):
        await ledger.add(asked(epoch=epoch), NOW, queue("email"))
    await ledger.add(asked(incident="other", epoch=7), NOW, queue("email"))
    assert await ledger.newest_epoch(IncidentId("inc")) == 2


async def test_a_cancel_that_comes_first_is_kept_and_an_acknowledgement_is_named_before_it(ledger: Ledger) -> None:
    gone = Stop(IncidentId("inc"), 3, "cleared", NOW)
    await ledger.cancel(gone)
    await ledger.cancel(replace(gone, reason="again"))
    await ledger.add(asked(epoch=3), NOW, queue("email"))
    assert await claimed(ledger) == []
    assert await ledger.stop_of(IncidentId("inc"), 3) == gone
    mine = Stop(IncidentId("inc"), 3, "link", NOW, "ana")
    await ledger.acknowledge(mine, lambda _book, _stop: None)
    assert await ledger.stop_of(IncidentId("inc"), 3) == mine


async def test_what_waits_for_a_retry_is_looked_at_as_soon_as_it_is_stopped(ledger: Ledger) -> None:
    later = NOW + 60 * SECOND
    await ledger.add(asked(), NOW, queue("email", at=later))
    await ledger.cancel(Stop(IncidentId("inc"), 0, "cleared", NOW))
    assert await ledger.next_due("email") == NOW


async def test_an_acknowledgement_waits_for_the_send_that_was_claimed_before_it(ledger: Ledger) -> None:
    await ledger.add(asked(), NOW, queue("email"))
    order: list[str] = []

    async def press() -> None:
        await ledger.acknowledge(Stop(IncidentId("inc"), 0, "link", NOW, "ana"), lambda _book, _stop: None)
        order.append("acknowledged")

    async with ledger.due("email", NOW, 10) as guard:
        assert await guard.claim(lambda _book, _one: None) == 1
        pressing = asyncio.create_task(press())
        # Other work goes on meanwhile, also of this incident; only the acknowledgement waits.
        assert await ledger.add(asked("joao"), NOW, queue("sms"))
        assert await ledger.view(asked("joao").page) is not None
        await asyncio.wait({pressing}, timeout=LONG_ENOUGH_S)
        order.append("send begun")
    await pressing
    assert order == ["send begun", "acknowledged"]


async def test_pages_are_listed_newest_first_by_incident_id_or_name(ledger: Ledger) -> None:
    old, new = asked("ana"), asked("joao", occurred_at=NOW + SECOND)
    for page in (old, new, asked(incident="other")):
        await ledger.add(page, NOW, queue("email"))
    for name in ("inc", "2026-02-20-inc"):
        assert [one.request.page for one in await ledger.pages(name, 10)] == [new.page, old.page]
    assert len(await ledger.pages(None, 2)) == 2
    assert await ledger.pages("nothing", 10) == []
