"""Two replicas on one Postgres: what both could do is done once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.incidents.adapters.postgres import PostgresStore
from shared.contracts import BreachKey, PageKind, PageState, Stage
from shared.values import ServiceId
from tests.contract.incidents.test_store import postgres_store
from tests.fakes.embedded import NatsServer
from tests.unit.incidents.house import House, key, minutes, silent, stated

Pair = tuple[House, House]


@pytest.fixture
async def pair(database: str, nats_server: NatsServer) -> AsyncIterator[Pair]:
    async with contextlib.AsyncExitStack() as stack:
        stores: list[PostgresStore] = [
            await stack.enter_async_context(postgres_store(database, nats_server.url)) for _ in range(2)
        ]
        one, other = House(stores[0]), House(stores[1])
        other._ids = 1000
        yield one, other


async def test_breaches_of_one_symptom_from_both_replicas_are_one_incident(pair: Pair) -> None:
    one, other = pair

    await asyncio.gather(*(pair[number % 2].open(number, source=f"evaluator-{number}") for number in range(1, 17)))

    incident = await one.only()
    assert len(incident.open_breaches) == 16
    assert incident == await other.only()


async def test_a_silent_location_seen_by_both_replicas_is_one_incident_and_one_page(pair: Pair) -> None:
    one, other = pair

    services = [ServiceId(f"erp-{number}") for number in range(18)]
    await asyncio.gather(
        *(pair[n % 2].open(service=s, of=silent(), symptom="prober-down") for n, s in enumerate(services))
    )

    incident = await one.only()
    assert len(incident.open_breaches) == len(services)
    assert len([page for page in incident.pages if page.kind is PageKind.PAGE]) == 1
    assert incident == await other.only()


async def test_what_only_tells_leaves_behind_the_page_that_rings(pair: Pair, database: str) -> None:
    await pair[0].open()
    connection = await asyncpg.connect(database, server_settings={"search_path": "incidents"})
    try:
        async with asyncio.timeout(15):
            while await connection.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL"):
                await asyncio.sleep(0.02)  # published by tasks of the store's own
        left = await connection.fetch(
            "SELECT convert_from(body, 'UTF8')::jsonb ->> 'kind' AS kind FROM outbox"
            " WHERE subject = 'hc.pages.v1.requested' ORDER BY published_at, id"
        )
    finally:
        await connection.close()
    kinds = [row["kind"] for row in left]
    assert set(kinds) == {"page", "update"}
    assert kinds == sorted(kinds), "an update left before a page"


async def test_the_same_message_at_both_replicas_pages_once(pair: Pair) -> None:
    one, other = pair

    await asyncio.gather(one.open(), other.open(), one.open_set(5, [stated(1)]), other.open_set(5, [stated(1)]))

    assert len([page for page in (await one.only()).pages if page.kind is PageKind.PAGE]) == 1


async def test_a_rung_that_both_replicas_see_due_is_rung_once(pair: Pair) -> None:
    one, other = pair
    await one.open()
    twin = House()  # the same names, and so the same page
    await twin.open()
    await one.receipt(twin.pages()[0], PageState.ACCEPTED)
    for house in pair:
        house.clock.advance(minutes(3))

    await asyncio.gather(*(house.handlers.do_due(house.clock.now()) for house in pair for _ in range(3)))

    rung = [page.addressee.text for page in (await other.only()).pages if page.kind is PageKind.PAGE]
    assert rung == ["ana", "joao"]


async def test_an_acknowledgement_and_a_rung_at_the_same_moment_leave_one_order_of_things(pair: Pair) -> None:
    one, other = pair
    await one.open()
    for house in pair:
        house.clock.advance(minutes(4))

    await asyncio.gather(
        one.acts.acknowledge("2026-02-20-web-down", "ana"),
        other.handlers.do_due(other.clock.now()),
        one.clear(2),
        other.open(3, of=key("web-slow")),
    )

    incident = await one.only()
    timeline = await one.store.timeline(incident.id)
    assert [entry.sequence for entry in timeline] == list(range(1, len(timeline) + 1))
    assert incident.acknowledged_by in {"ana", None}
    assert incident.stage in {Stage.ASSESSMENT, Stage.RESPONSE}


async def test_breaches_of_many_services_at_once_wait_for_nobody(pair: Pair) -> None:
    one, _ = pair

    await asyncio.gather(*(pair[n % 2].open(service=ServiceId(f"erp-{n}")) for n in range(20)))

    assert len(await one.store.newest("open", 100)) == 20


@pytest.mark.parametrize(
    "statement", ["UPDATE timeline SET text = 'nothing happened'", "DELETE FROM timeline", "TRUNCATE timeline"]
)
async def test_the_database_itself_refuses_to_change_a_timeline(pair: Pair, database: str, statement: str) -> None:
    await pair[0].open()
    connection = await asyncpg.connect(database, server_settings={"search_path": "incidents"})
    try:
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("of", "symptom", "index"),
    [(key(), "web-down", "incidents_one_open_of_service"), (silent(), "prober-down", "incidents_one_silent_location")],
)
async def test_the_database_itself_holds_one_open_incident(
    pair: Pair, database: str, of: BreachKey, symptom: str, index: str
) -> None:
    await pair[0].open(of=of, symptom=symptom)
    connection = await asyncpg.connect(database, server_settings={"search_path": "incidents"})
    try:
        with pytest.raises(asyncpg.UniqueViolationError, match=index):
            await connection.execute(
                "INSERT INTO incidents SELECT (jsonb_populate_record(NULL::incidents,"
                ' to_jsonb(i) || \'{"id": "x", "name": "x"}\')).* FROM incidents i'
            )
    finally:
        await connection.close()
