import asyncio
from dataclasses import replace

import asyncpg
import pytest

from cli.migrate import migrate_all, migrate_within
from cli.roles import ensure_roles, url_as
from cli.system import SCHEMAS, System
from shared.kit.bus import connect
from shared.kit.clock import SystemClock
from shared.kit.errors import Transient, Unusable
from shared.kit.settings import BusSettings
from shared.kit.tokens import Identity, Role, Tokens
from tests.fakes.embedded import NatsServer, start_postgres
from tests.fakes.ports import closed_port

TOKEN_KEY = "a key of more than sixteen letters"
TOKEN = "hc_the administrator's"


def system_of(bus: NatsServer, database: str) -> System:
    return System(
        nats_url=bus.url,
        nats_user="",
        nats_password="",
        database_urls=dict.fromkeys(SCHEMAS, database),
        incidents_url="",
        notifier_url="",
        token=TOKEN,
        token_key=TOKEN_KEY,
        role_passwords={name: f"{name}-password" for name in SCHEMAS},  # as the test's server has them
    )


async def test_each_schema_belongs_to_its_own_role_and_the_second_time_nothing_is_left_to_do(
    bus: NatsServer, database: str
) -> None:
    changes = await migrate_all(system_of(bus, database))

    connection = await asyncpg.connect(database)
    owners = await connection.fetch("SELECT schemaname, tableowner FROM pg_tables WHERE schemaname = ANY($1)", SCHEMAS)
    await connection.close()
    assert {(row["schemaname"], row["tableowner"]) for row in owners} == {(name, name) for name in SCHEMAS}
    assert "the administrator's token" in changes
    assert await migrate_all(system_of(bus, database)) == []


async def test_the_administrators_token_is_known_to_the_services(bus: NatsServer, database: str) -> None:
    await migrate_all(system_of(bus, database))

    client = await connect(BusSettings(nats_url=bus.url), "test")
    known = await Tokens(client.jetstream(), TOKEN_KEY, SystemClock()).identify(TOKEN)
    await client.close()
    assert known == Identity("admin", Role.ADMIN)


async def test_a_role_is_made_and_gets_its_new_password_and_sees_no_other_database(database: str) -> None:
    role = f"made_by_{database.rpartition('/')[2].partition('?')[0]}"

    assert f"role {role} made" in await ensure_roles(database, {role: 'it\'s a "secret"/1'})
    assert await ensure_roles(database, {role: "another"}) == [f"role {role} has its new password"]
    assert await ensure_roles(database, {role: "another"}) == []

    connection = await asyncpg.connect(url_as(database, role, "another"))
    assert await connection.fetchval("SELECT current_user") == role
    assert not await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    await connection.execute("CREATE SCHEMA its_own")
    await connection.close()


async def test_one_services_role_cannot_take_every_connection_of_the_database(database: str) -> None:
    role = f"greedy_{database.rpartition('/')[2].partition('?')[0]}"
    connection = await asyncpg.connect(database)
    half = (await connection.fetchval("SELECT current_setting('max_connections')::int - 3 - 6")) // 2

    assert f"role {role} may open {half} connections" in await ensure_roles(database, {role: "secret"})
    await connection.execute(f'ALTER ROLE "{role}" CONNECTION LIMIT 2')  # as if the server had had fewer
    async with asyncpg.create_pool(url_as(database, role, "secret"), min_size=2, max_size=2):
        with pytest.raises(asyncpg.TooManyConnectionsError):
            await asyncpg.connect(url_as(database, role, "secret"))
        assert await ensure_roles(database, {role: "secret"}) == [f"role {role} may open {half} connections"]
    await connection.close()


async def test_a_superuser_who_is_not_let_in_and_a_database_that_is_away_are_two_things(database: str) -> None:
    with pytest.raises(Unusable, match="HYPERCARE_DATABASE_URL"):
        await ensure_roles(url_as(database, "postgres", "wrong"), {"nobody_yet": "secret"})
    with pytest.raises(Transient, match="database unreachable"):
        await ensure_roles("postgresql://postgres:x@127.0.0.1:1/hypercare", {"nobody_yet": "secret"})


async def test_a_node_of_the_bus_that_is_down_is_passed_over(bus: NatsServer, database: str) -> None:
    with closed_port() as port:
        both = f"nats://127.0.0.1:{port}, {bus.url}"
        assert await migrate_all(replace(system_of(bus, database), nats_url=both)) != []


async def test_a_database_that_is_still_starting_is_waited_for(bus: NatsServer) -> None:
    server = start_postgres()
    try:
        server.stop()
        migrating = asyncio.create_task(migrate_within(system_of(bus, server.dsn), 1, 30))
        await asyncio.to_thread(server.start)

        assert "incidents/0001_pre_incidents.sql" in await migrating
    finally:
        server.close()


async def test_a_database_that_never_starts_is_said_to_be_away(bus: NatsServer) -> None:
    with pytest.raises(Transient, match="database unreachable"):
        await migrate_within(system_of(bus, "postgresql://postgres:x@127.0.0.1:1/hypercare"), 1, 1)
