"""The outbox on real Postgres and NATS: with the change or not at all, once, in order, also by the next replica."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from pydantic import SecretStr

from shared.contracts import IncidentUpdated
from shared.contracts.streams import INCIDENTS
from shared.kit.errors import Transient, Unusable
from shared.kit.migrations import Migration, migrate
from shared.kit.outbox import SQL as OUTBOX_SQL
from shared.kit.outbox import Outbox
from shared.kit.postgres import pool, transaction
from shared.kit.settings import DatabaseSettings
from tests.contract.messages.examples import EXAMPLES
from tests.integration.kit.conftest import Bus

TABLE = Migration(
    "0001_pre_outbox.sql",
    """
    CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, stream_key text NOT NULL,
        subject text NOT NULL, headers text NOT NULL, body bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(), published_at timestamptz);
    """,
)
NOTE = next(example for example in EXAMPLES if type(example) is IncidentUpdated)


def note(number: int) -> IncidentUpdated:
    return NOTE.model_copy(update={"event_id": f"event-{number}", "sequence": number})


@pytest.fixture
async def db(database: str) -> AsyncIterator[asyncpg.Pool]:
    await migrate(database, "incidents", [TABLE])
    settings = DatabaseSettings(database_url=SecretStr(database))
    async with pool(settings, "incidents") as opened:
        yield opened


async def published(bus: Bus) -> list[int]:
    count = (await bus.js.stream_info(INCIDENTS.name)).state.messages
    messages = [await bus.js.get_msg(INCIDENTS.name, number) for number in range(1, count + 1)]
    return [IncidentUpdated.from_json(message.data or b"").sequence for message in messages]


async def put(db: asyncpg.Pool, outbox: Outbox, *numbers: int) -> None:
    async with transaction(db) as connection:
        await outbox.put(connection, {"one": [note(number) for number in numbers]})


async def test_an_idle_pool_holds_no_transaction_that_would_keep_a_migration_out(database: str) -> None:
    await migrate(database, "incidents", [TABLE])
    settings = DatabaseSettings(database_url=SecretStr(database))
    async with pool(settings, "incidents", OUTBOX_SQL) as opened:
        busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL"
        assert await opened.fetchval(f"{busy} AND pid <> pg_backend_pid()") == 0
        column = Migration("0099_pre_column.sql", "ALTER TABLE outbox ADD COLUMN more int")
        assert await migrate(database, "incidents", [TABLE, column]) == ["incidents/0099_pre_column.sql"]


async def test_events_are_published_in_their_order_after_the_commit(declared: Bus, db: asyncpg.Pool) -> None:
    outbox = Outbox(db, declared.publisher, "/test")
    await put(db, outbox, 1, 2, 3)
    outbox.wake("one")
    await put(db, outbox, 4)
    outbox.wake("one")
    await outbox.drain()
    await outbox.flush("one", by="test")
    assert await published(declared) == [1, 2, 3, 4]


async def test_a_change_that_is_rolled_back_says_nothing(declared: Bus, db: asyncpg.Pool) -> None:
    outbox = Outbox(db, declared.publisher, "/test")
    with pytest.raises(RuntimeError):  # noqa: PT012  # the block is the transaction
        async with transaction(db) as connection:
            await outbox.put(connection, {"one": [note(1)]})
            raise RuntimeError
    assert await outbox.flush("one", by="test") == 0
    assert await published(declared) == []


async def test_what_a_dead_replica_left_is_published_by_another_once(declared: Bus, db: asyncpg.Pool) -> None:
    dead, alive = Outbox(db, declared.publisher, "/test"), Outbox(db, declared.publisher, "/test")
    await put(db, dead, 1, 2)  # committed, and then it died before it could publish
    await declared.publisher.publish(note(1))  # or even between the publish and the mark
    sweeping = asyncio.create_task(alive.sweep_forever())
    try:
        async with asyncio.timeout(20):
            while await published(declared) != [1, 2]:
                await asyncio.sleep(0.05)  # the sweeper's own pace, bounded by the limit
    finally:
        sweeping.cancel()
    assert await published(declared) == [1, 2]


async def test_two_replicas_flushing_at_once_publish_each_event_once(declared: Bus, db: asyncpg.Pool) -> None:
    boxes = [Outbox(db, declared.publisher, "/test") for _ in range(4)]
    await put(db, boxes[0], *range(1, 30))
    counts = await asyncio.gather(*(box.flush("one", by="test") for box in boxes))
    assert sum(counts) == 29
    assert await published(declared) == list(range(1, 30))


async def test_a_bus_that_is_away_leaves_the_rows_where_they_are(declared: Bus, db: asyncpg.Pool) -> None:
    outbox = Outbox(db, declared.publisher, "/test")
    await put(db, outbox, 1)
    declared.server.kill()
    with pytest.raises(Transient):
        await outbox.flush("one", by="test")
    declared.server.start()
    async with asyncio.timeout(20):
        while not await try_flush(outbox):
            await asyncio.sleep(0.05)  # the client reconnects at its own pace, bounded by the limit
    assert await published(declared) == [1]


async def try_flush(outbox: Outbox) -> bool:
    try:
        return bool(await outbox.flush("one", by="test"))
    except Transient:
        return False


async def test_a_migration_is_applied_once_and_never_edited(database: str) -> None:
    assert await migrate(database, "incidents", [TABLE]) == ["incidents/0001_pre_outbox.sql"]
    assert await migrate(database, "incidents", [TABLE]) == []
    with pytest.raises(Unusable, match="was edited"):
        await migrate(database, "incidents", [Migration(TABLE.name, "SELECT 1")])


async def test_migrations_from_several_places_at_once_are_applied_once(database: str) -> None:
    applied = await asyncio.gather(*(migrate(database, "incidents", [TABLE]) for _ in range(4)))
    assert sum(len(names) for names in applied) == 1


async def test_a_migration_that_fails_leaves_nothing_half_done(database: str) -> None:
    broken = Migration("0002_pre_broken.sql", "CREATE TABLE half (id int); SELECT 1/0;")
    with pytest.raises(asyncpg.PostgresError):
        await migrate(database, "incidents", [TABLE, broken])
    connection = await asyncpg.connect(database)
    assert await connection.fetchval("SELECT to_regclass('incidents.half')") is None
    await connection.close()


async def test_an_absent_bus_leaves_the_database_to_others(declared: Bus, db: asyncpg.Pool) -> None:
    """Every key waits for the bus; an acknowledgement needs a connection all the same, and now."""
    outbox = Outbox(db, declared.publisher, "/test")
    async with transaction(db) as connection:
        for number in range(20):
            await outbox.put(connection, {f"key-{number}": [note(number)]})
    declared.server.pause()
    try:
        for number in range(20):
            outbox.wake(f"key-{number}")
        keys_held = 0
        for _ in range(50):
            async with asyncio.timeout(2), transaction(db) as connection:
                keys_held = await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        assert 0 < keys_held < 8, "some keys are being published, and the pool has room left"
    finally:
        declared.server.resume()
    await outbox.drain()
    for number in range(20):
        await outbox.flush(f"key-{number}", by="test")
    assert sorted(await published(declared)) == list(range(20))


async def test_a_driver_that_is_confused_after_a_time_out_is_no_bug_of_ours(db: asyncpg.Pool) -> None:
    """Seen when a machine stood still for half a minute: a settled send was lost by it, and the page sent again."""
    with pytest.raises(Transient, match="cannot switch to state 15"):
        async with transaction(db):
            raise asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress")
    async with transaction(db) as connection:
        assert await connection.fetchval("SELECT 1") == 1
