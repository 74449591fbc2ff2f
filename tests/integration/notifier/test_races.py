"""Replicas against each other, and an acknowledgement against a claim, on a real Postgres."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from services.notifier.adapters.postgres import MIGRATIONS, PostgresLedger
from services.notifier.couriers import Courier, Terms
from services.notifier.domain.link import write_token
from services.notifier.domain.outcomes import Accepted, SendResult
from services.notifier.domain.plan import Method
from services.notifier.domain.wording import Outgoing
from services.notifier.handlers import Desk, Link, acknowledge, request_page
from shared.contracts.pages import PageRequested, delivery_id
from shared.kit.clock import SystemClock
from shared.kit.health import Health
from shared.kit.migrations import migrate, read_migrations
from shared.kit.outbox import Outbox
from tests.component.notifier.rig import request, until, until_async
from tests.unit.notifier.office import ToldDirectory

KEY = b"a-key-for-links"
CLOCK = SystemClock()


class Mute(Outbox):
    """Keeps receipts and publishes none: there is no bus here."""

    def wake(self, key: str, *, after_s: float = 0.0) -> None:
        del key, after_s


class Stopwatch:
    """A channel that notes when each send began."""

    name = "email-0"

    def __init__(self, began: list[tuple[str, float]]) -> None:
        self.began = began

    async def send(self, message: Outgoing) -> SendResult:
        self.began.append((message.delivery, CLOCK.monotonic()))
        await asyncio.sleep(0)
        return Accepted()


class SlowToBegin(PostgresLedger):
    """As a busy machine is: some time passes between a claim's commit and the first word to the provider."""

    chance = random.Random(7)  # noqa: S311  # a seeded test

    async def claim(self, *arguments: Any) -> int:
        found = await super().claim(*arguments)
        await asyncio.sleep(self.chance.uniform(0, 0.01))
        return found


class Replica:
    def __init__(
        self, instance: str, db: asyncpg.Pool, began: list[tuple[str, float]], kind: type[PostgresLedger]
    ) -> None:
        people: dict[str, tuple[Method, ...]] = {f"p{n}": (Method("email", f"p{n}@x.org"),) for n in range(200)}
        directory = ToldDirectory(people, {"email": (Stopwatch(began),)})
        ledger = kind(db, Mute(db, None, "/test"))  # type: ignore[arg-type]  # it never publishes
        self.desk = Desk(ledger, directory, CLOCK, KEY, lambda _: None)
        self.courier = Courier("email", self.desk, Terms(instance), Health())

    async def work_until(self, is_done: asyncio.Event) -> None:
        while not is_done.is_set():
            await self.courier.do_due(CLOCK.now())
            await asyncio.sleep(0)
        await self.courier.drain(5)


@asynccontextmanager
async def replicas(
    dsn: str, began: list[tuple[str, float]], kind: type[PostgresLedger] = PostgresLedger
) -> AsyncIterator[list[Replica]]:
    await migrate(dsn, "notifier", read_migrations(MIGRATIONS))
    options = {"min_size": 2, "max_size": 8, "server_settings": {"search_path": "notifier"}}
    async with asyncpg.create_pool(dsn, **options) as one, asyncpg.create_pool(dsn, **options) as two:
        yield [Replica("n1", one, began, kind), Replica("n2", two, began, kind)]


async def test_two_replicas_send_every_page_once(database: str) -> None:
    began: list[tuple[str, float]] = []
    async with replicas(database, began) as (one, two):
        for number in range(100):
            await request_page(one.desk, request(f"p{number}"))
        done = asyncio.Event()
        working = [asyncio.create_task(replica.work_until(done)) for replica in (one, two)]
        await until(lambda: len(began) >= 100, "every page is sent", 20)
        done.set()
        await asyncio.gather(*working)
        assert await one.desk.ledger.next_due("email") is None
    assert len(began) == len({delivery for delivery, _ in began}) == 100


async def test_no_send_begins_after_the_acknowledgement_is_committed(database: str) -> None:
    began: list[tuple[str, float]] = []
    too_late: list[float] = []
    cancelled, chance = 0, random.Random(20_260_220)  # noqa: S311  # a seeded test
    async with replicas(database, began, SlowToBegin) as (one, two):
        done = asyncio.Event()
        working = [asyncio.create_task(replica.work_until(done)) for replica in (one, two)]
        for round_ in range(50):
            # given a first page that is out, three more on their way, and a finger on the first one's link
            pages = [request(f"p{n}", incident=f"i{round_}", rung=n) for n in range(4)]
            await request_page(one.desk, pages[0])
            pressing = asyncio.create_task(_press(two, pages[0], chance.uniform(0, 0.02)))
            if round_ % 5 == 0:
                await pressing  # now and then the finger is certainly first
            await asyncio.gather(*(request_page(one.desk, page) for page in pages[1:]))
            # when it is pressed, and everything has settled
            committed_at = await pressing
            states = await _settled(one, pages)
            # then no send began afterwards
            mine = {delivery_id(page.page, f"email:{page.addressee.person}@x.org") for page in pages}
            too_late += [at - committed_at for name, at in began if name in mine and at > committed_at]
            cancelled += states.count("cancelled")
        done.set()
        await asyncio.gather(*working)
    assert too_late == []
    assert cancelled >= 30
    assert len(began) >= 10


async def _press(replica: Replica, page: PageRequested, after_s: float) -> float:
    """Acknowledge a page by its link; returns when the acknowledgement was known to be committed."""
    who = page.addressee.person or ""
    token = write_token(KEY, delivery_id(page.page, f"email:{who}@x.org"), page.page, who, page.occurred_at)
    await asyncio.sleep(after_s)
    assert isinstance(await acknowledge(replica.desk, token), Link)
    return CLOCK.monotonic()


async def _settled(replica: Replica, pages: list[PageRequested]) -> list[str]:
    """The states of the pages once none is on its way any more."""
    states: list[str] = []

    async def are_settled() -> bool:
        states[:] = [line.state for line in await replica.desk.ledger.pages(pages[0].incident, 10)]
        return not {"queued", "sending"} & set(states)

    await until_async(are_settled, "every page is sent or cancelled")
    return states


def test_terms_that_would_let_two_replicas_send_at_once_are_refused() -> None:
    with pytest.raises(ValueError, match="less than half"):
        Terms("n1", claim_for=timedelta(seconds=20), deadline=timedelta(seconds=10))
