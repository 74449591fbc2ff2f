"""A new page is claimed by the commit that keeps it, where a courier has a place for it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

import pytest

from services.notifier.adapters.memory import MemoryLedger
from services.notifier.couriers import Courier
from services.notifier.domain.outcomes import Accepted, SendResult
from services.notifier.domain.page import Book
from services.notifier.domain.wording import Outgoing
from services.notifier.handlers import cancel_pages, request_page
from services.notifier.ports import Guard
from shared.contracts.pages import PageRequested, PageState
from shared.kit.errors import Transient
from tests.unit.notifier.office import Office, ToldChannel, request
from tests.unit.notifier.test_handlers import cancelled, told


class SlowChannel(ToldChannel):
    """Answers when it is told to."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.answers = asyncio.Event()

    async def send(self, message: Outgoing) -> SendResult:
        self.sent.append(message)
        await self.answers.wait()
        return Accepted(f"id-{message.delivery}")


class Unhurried(MemoryLedger):
    """Takes a while to find and to commit."""

    @asynccontextmanager
    async def due(self, channel: str, now: datetime, limit: int) -> AsyncIterator[Guard]:
        await asyncio.sleep(0)
        async with super().due(channel, now, limit) as guard:
            yield guard

    @asynccontextmanager
    async def add(self, request: PageRequested, plan: Callable[[Book], None]) -> AsyncIterator[bool]:
        async with super().add(request, plan) as is_new:
            for _ in range(3):
                await asyncio.sleep(0)
            yield is_new


class Full(MemoryLedger):
    """Has no room for a page."""

    @asynccontextmanager
    async def add(self, request: PageRequested, plan: Callable[[Book], None]) -> AsyncIterator[bool]:
        plan(Book(request))
        raise Transient("the disk is full")
        yield


def staffed(office: Office) -> dict[str, Courier]:
    """Give the office's couriers the new pages."""
    office.hands |= {one.kind: one for one in office.couriers}
    return office.hands


async def test_a_page_is_sent_without_waiting_to_be_found() -> None:
    office, page = Office(), request()
    couriers = staffed(office)
    await request_page(office.desk, page)
    await couriers["sms"].drain(5)
    assert [one.page for one in office.sent("sms")] == [page.page]
    assert told(office) == [("queued", "sms", 0), ("sending", "sms", 1), ("accepted", "sms", 1)]
    assert office.woken == {}
    view = await office.ledger.view(page.page)
    assert view is not None
    assert [(one.number, one.outcome) for [one] in view.attempts.values()] == [(1, "Accepted")]


async def test_a_page_that_was_cancelled_before_it_came_is_not_sent_and_says_so() -> None:
    office, page = Office(), request()
    couriers = staffed(office)
    await cancel_pages(office.desk, cancelled())
    await request_page(office.desk, page)
    await couriers["sms"].drain(5)
    assert office.sent("sms") == []
    assert told(office) == [("queued", "sms", 0), ("cancelled", "sms", 0)]


async def test_what_finds_no_place_is_queued_and_sent_later() -> None:
    slow = SlowChannel("sms-0")
    office, pages = Office(sms=(slow,)), [request(rung=rung) for rung in range(22)]
    couriers = staffed(office)
    for page in pages:
        await request_page(office.desk, page)
    assert office.woken == {"sms": 2}
    assert [await office.state(page.page) for page in pages].count(PageState.QUEUED) == 2
    slow.answers.set()
    await couriers["sms"].drain(5)
    await office.run()
    assert {one.page for one in office.sent("sms")} == {page.page for page in pages}


async def test_a_courier_that_is_leaving_takes_nothing_on() -> None:
    office, page = Office(), request()
    staffed(office)["sms"].stop()
    await request_page(office.desk, page)
    assert await office.state(page.page) is PageState.QUEUED
    assert office.woken == {"sms": 1}


async def test_a_place_comes_back_when_nothing_was_committed() -> None:
    office = Office(Full(), sms=(ToldChannel("sms-0"),))
    courier = staffed(office)["sms"]
    for rung in range(30):
        with pytest.raises(Transient):
            await request_page(office.desk, request(rung=rung))
    assert courier.lends
    assert office.sent("sms") == []


async def test_a_claim_is_as_old_as_what_it_waited_for() -> None:
    """The claim lapses by the clock before the waits: who comes through them too late must not send beside another."""
    office, page = Office(Unhurried(), sms=(ToldChannel("sms-0"),)), request()
    courier = staffed(office)["sms"]
    asking = asyncio.create_task(request_page(office.desk, page))
    await asyncio.sleep(0)
    office.clock.advance(office.terms.claim_for / 2)  # the database takes its time
    await asking
    await courier.drain(5)
    assert office.sent("sms") == []
    await office.pass_by(office.terms.claim_for.total_seconds())
    assert [one.page for one in office.sent("sms")] == [page.page]
    assert await office.state(page.page) is PageState.ACCEPTED


async def test_places_of_a_claim_under_way_are_not_lent() -> None:
    office = Office(Unhurried())
    courier = staffed(office)["sms"]
    claiming = asyncio.create_task(courier.do_due(office.clock.now()))
    while courier.lends and not claiming.done():
        await asyncio.sleep(0)
    assert not claiming.done()
    await claiming
    assert courier.lends
