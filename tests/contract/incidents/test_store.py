"""One suite of promises for every store of incidents: memory and Postgres."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

import nats
import pytest

from services.incidents.adapters.memory import MemoryStore
from services.incidents.adapters.postgres import SCHEMA, PostgresStore
from services.incidents.bootstrap import MIGRATIONS
from services.incidents.domain.change import Change
from services.incidents.domain.incident import Incident
from services.incidents.domain.scope import Scope
from services.incidents.domain.timeline import is_unbroken
from services.incidents.ports import Heard, IncidentStore
from shared.contracts import ClearReason, PageState, Stage
from shared.kit.bus import Publisher, declare_all
from shared.kit.migrations import migrate, read_migrations
from shared.kit.outbox import Outbox
from shared.kit.postgres import pool
from shared.kit.settings import DatabaseSettings
from shared.values import IncidentId, Location, ServiceId, Severity
from tests.fakes.embedded import drop_database, new_database
from tests.unit.incidents.house import PLAN, SOURCE, START, WEB, House, key, minutes, silent, stated

FRA = Scope(location=Location("fra"))


@contextlib.asynccontextmanager
async def postgres_store(dsn: str, nats_url: str) -> AsyncIterator[PostgresStore]:
    client = await nats.connect(nats_url)
    try:
        await declare_all(client.jetstream())
        publisher = Publisher(client, "/test")
        await publisher.start()
        await migrate(dsn, SCHEMA, read_migrations(MIGRATIONS))
        settings = DatabaseSettings(database_url=dsn, pool_size=4)
        async with pool(settings, SCHEMA) as db:
            outbox = Outbox(db, publisher, "/test")
            yield PostgresStore(db, outbox, lambda: None)
            await outbox.drain()
    finally:
        await client.close()


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[IncidentStore]:
    if request.param == "memory":
        yield MemoryStore()
        return
    server = request.getfixturevalue("postgres_server")
    bus = request.getfixturevalue("nats_server")
    dsn = await new_database(server)
    async with postgres_store(dsn, bus.url) as opened:
        yield opened
    await drop_database(server, dsn)


async def test_a_whole_life_is_read_back_as_it_was_kept(store: IncidentStore) -> None:
    house, twin = House(store), House()
    for one in (house, twin):
        await one.open(10, severity=Severity.HIGH)
        await one.open(11, of=key("web-slow"))
        await one.pass_time(minutes(7))
        await one.acts.acknowledge("2026-02-20-web-down", "ana")
        await one.acts.answer("2026-02-20-web-down", "ana", "0", "the cable – “really”")
        await one.clear(12)
        await one.open_set(13, [])
        await one.pass_time(minutes(1))
        await one.open_set(14, [])
        await one.open(15)
        await one.acts.note("2026-02-20-web-down", "joao", "again")

    kept, expected = await house.only(), await twin.only()

    assert _sorted(kept) == _sorted(expected)
    timeline = await store.timeline(kept.id)
    assert timeline == await twin.store.timeline(expected.id)
    assert is_unbroken(timeline, kept.timeline_length, kept.timeline_hash)


def _sorted(it: Incident) -> Incident:
    """The order of what belongs to an incident is nobody's promise."""
    return (
        Change(it, PLAN, START)
        .set(
            breaches=tuple(sorted(it.breaches, key=lambda b: (b.source, b.service, b.key.text))),
            pages=tuple(sorted(it.pages, key=lambda p: p.id)),
            answers=tuple(sorted(it.answers, key=lambda a: (a.stage, a.question))),
            due=tuple(sorted(it.due, key=lambda d: (d.kind, d.subject))),
        )
        .incident
    )


async def test_what_fails_leaves_no_trace(store: IncidentStore) -> None:
    house = House(store)
    await house.open()
    before = await house.only()

    async def fails_in_the_middle() -> None:
        async with store.alone_in(Scope(WEB)) as work:
            await work.keep(Change(before, PLAN, START).note("note", "never").set(summary="never"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails_in_the_middle()

    assert await house.only() == before
    assert len(await store.timeline(before.id)) == before.timeline_length


async def test_many_at_once_open_one_incident(store: IncidentStore) -> None:
    house = House(store)

    await asyncio.gather(*(house.open(number, source=f"evaluator-{number}") for number in range(1, 9)))

    incident = await house.only()
    assert len(incident.open_breaches) == 8
    assert len([p for p in incident.pages if p.kind == "page"]) == 1


async def test_the_silence_of_a_location_is_one_incident_whatever_it_watches(store: IncidentStore) -> None:
    house = House(store)

    services = [ServiceId(f"erp-{number}") for number in range(6)]
    of = [(service, location) for service in services for location in ("fra", "ber")]
    await asyncio.gather(
        *(house.open(service=s, of=silent(at), symptom="prober-down", source=f"source-{s}") for s, at in of)
    )

    incidents = await store.newest("all", 20)
    assert {one.scope.text: one.services for one in incidents} == {
        "location ber": tuple(services),
        "location fra": tuple(services),
    }
    assert [len([p for p in one.pages if p.kind == "page"]) for one in incidents] == [1, 1]
    assert await store.busy([services[-1]]) == {one.scope for one in incidents}


async def test_a_silent_location_and_a_service_in_trouble_are_apart(store: IncidentStore) -> None:
    house = House(store)
    await house.open()
    await house.open(service=WEB, of=silent(), symptom="prober-down")

    for scope, held in ((Scope(WEB), key()), (FRA, silent())):
        async with store.alone_in(scope) as work:
            (incident,) = await work.open_incidents()
            assert incident.scope == scope
            assert [breach.key for breach in await work.open_breaches(SOURCE)] == [held]
            assert (await work.open_incident(incident.symptom)) == incident
            assert await store.find(incident.name) == incident


async def test_two_services_in_trouble_at_once_get_different_names(store: IncidentStore) -> None:
    house = House(store)

    await asyncio.gather(*(house.open(service=ServiceId(f"erp-{number}")) for number in range(5)))

    names = sorted(incident.name for incident in await store.newest("all", 10))
    assert names == ["2026-02-20-web-down", *(f"2026-02-20-web-down-{number}" for number in range(2, 6))]


async def test_an_incident_is_found_by_id_and_by_name(store: IncidentStore) -> None:
    house = House(store)
    await house.open()
    incident = await house.only()

    for which in (incident.id, incident.name):
        where = await store.locate(which)
        assert where is not None
        assert (where.incident, where.scope) == (incident.id, Scope(WEB))
        assert await store.find(which) == incident
    assert await store.locate("nothing") is None
    assert await store.find("nothing") is None


async def test_the_list_is_by_state_and_newest_first(store: IncidentStore) -> None:
    house = House(store)
    await house.open()
    house.clock.advance(minutes(1))
    await house.open(service=ServiceId("erp-db"))
    newest, older = await store.newest("all", 10)
    async with store.alone_in(Scope(WEB)) as work:
        await work.keep(Change(older, PLAN, house.clock.now()).set(stage=Stage.CLOSED, closed_at=house.clock.now()))

    assert [one.id for one in await store.newest("open", 10)] == [newest.id]
    assert [one.id for one in await store.newest("closed", 10)] == [older.id]
    assert [one.id for one in await store.newest("all", 1)] == [newest.id]
    assert await store.busy([newest.service, older.service]) == {newest.scope}
    assert await store.busy([older.service]) == set()


async def test_due_work_comes_in_its_order_and_goes_when_done(store: IncidentStore) -> None:
    house = House(store)
    await house.open()
    house.clock.advance(timedelta(seconds=1))
    await house.open(service=ServiceId("erp-db"))

    assert await store.next_due_at() == START + timedelta(seconds=30)
    assert await store.due(START + timedelta(seconds=29), 10) == []
    both = await store.due(START + timedelta(seconds=40), 10)
    assert [where.scope.text for where in both] == ["erp-web", "erp-db"]
    assert await store.due(START + timedelta(seconds=40), 1) == both[:1]

    await house.pass_time(timedelta(seconds=40))
    assert await store.due(house.clock.now(), 10) == []


async def test_a_key_keeps_its_newest_verdict_across_incidents(store: IncidentStore) -> None:
    house = House(store)
    await house.open(1)
    await house.clear(2)
    first = await house.only()
    async with store.alone_in(Scope(WEB)) as work:
        await work.keep(Change(first, PLAN, house.clock.now()).set(stage=Stage.CLOSED))
    await house.open(3)

    async with store.alone_in(Scope(WEB)) as work:
        known = await work.breach(SOURCE, WEB, key())
        held = await work.open_breaches(SOURCE)

    assert known is not None
    assert (known.rev, known.is_open) == (3, True)
    assert held == [known]
    assert known.incident != first.id
    assert (found := await store.find(first.id)) is not None
    assert [breach.rev for breach in found.breaches] == [2]


async def test_the_end_of_what_never_began_is_remembered(store: IncidentStore) -> None:
    house = House(store)

    await house.clear(5, reason=ClearReason.CONFIG)
    await house.open(4)

    assert await store.newest("all", 10) == []
    async with store.alone_in(Scope(WEB)) as work:
        known = await work.breach(SOURCE, WEB, key())
    assert known is not None
    assert (known.rev, known.is_open, known.incident) == (5, False, None)


async def test_the_newest_open_set_of_a_source_is_remembered(store: IncidentStore) -> None:
    assert await store.heard(SOURCE) == Heard()

    await store.hear(SOURCE, 5, START)
    await store.hear(SOURCE, 4, START + minutes(1))

    assert await store.heard(SOURCE) == Heard(5, START)


async def test_a_source_holds_what_it_has_open(store: IncidentStore) -> None:
    house = House(store)
    await house.open(1)
    await house.open(1, service=ServiceId("erp-db"))
    await house.clear(2)
    await house.open(1, service=ServiceId("erp-db"), of=silent("fra"), symptom="prober-down")

    assert await store.held_by(SOURCE) == {Scope(ServiceId("erp-db")), FRA}
    assert await store.held_by("intake") == set()


async def test_a_page_keeps_what_was_proven(store: IncidentStore) -> None:
    house, twin = House(store), House()
    for one in (house, twin):
        await one.open()
    page = twin.pages()[0]

    await house.receipt(page, PageState.DELIVERED)
    await house.receipt(page, PageState.QUEUED)

    kept = next(p for p in (await house.only()).pages if p.id == page.page)
    assert kept.state is PageState.DELIVERED
    assert kept.handed_over_at == START


async def test_an_unknown_incident_is_nothing(store: IncidentStore) -> None:
    async with store.alone_in(Scope(WEB)) as work:
        assert await work.incident(IncidentId("nothing")) is None
        assert await work.open_incident("web-down") is None
        assert await work.open_incidents() == []
        assert stated(1).symptom == "web-down"


async def test_an_open_set_is_heard_in_the_transaction_that_takes_it(store: IncidentStore) -> None:
    async def fails_after_hearing() -> None:
        async with store.alone_in(Scope(WEB)) as work:
            await work.hear(SOURCE, 5, START)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails_after_hearing()
    assert await store.heard(SOURCE) == Heard()

    async with store.alone_in(Scope(WEB)) as work:
        await work.hear(SOURCE, 5, START)
        await work.hear(SOURCE, 4, START)
        assert await work.heard(SOURCE) == Heard(5, START)
    assert await store.heard(SOURCE) == Heard(5, START)
