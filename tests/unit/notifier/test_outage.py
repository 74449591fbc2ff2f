"""After an outage of ours, pages go out in their order and not all at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from services.notifier.adapters.memory import MemoryLedger
from services.notifier.handlers import request_page
from services.notifier.ports import Guard
from shared.contracts.pages import PageState
from tests.unit.notifier.office import Office, request


async def test_a_page_that_waited_out_our_own_outage_rings_one_method_not_all() -> None:
    office, page = Office(), request()
    await request_page(office.desk, page)
    await office.pass_by(300)
    assert await office.states(page.page) == {"sms": PageState.ACCEPTED}


class Unhurried(MemoryLedger):
    """Takes a while to find what is due."""

    def __init__(self) -> None:
        super().__init__()
        self.found = asyncio.Event()

    @asynccontextmanager
    async def due(self, channel: str, now: datetime, limit: int) -> AsyncIterator[Guard]:
        await self.found.wait()
        async with super().due(channel, now, limit) as guard:
            yield guard


async def test_a_claim_is_as_old_as_what_it_waited_for() -> None:
    """It lapses by the clock before the wait: who comes through too late must not send beside another."""
    ledger = Unhurried()
    office, page = Office(ledger), request()
    courier = next(one for one in office.couriers if one.kind == "sms")
    await request_page(office.desk, page)
    claiming = asyncio.create_task(courier.do_due(office.clock.now()))
    for _ in range(3):
        await asyncio.sleep(0)
    office.clock.advance(office.terms.claim_for / 2)  # the database takes its time
    ledger.found.set()
    await claiming
    await courier.drain(5)
    assert office.sent("sms") == []
    await office.pass_by(office.terms.claim_for.total_seconds())
    assert [one.page for one in office.sent("sms")] == [page.page]
