import subprocess
from collections.abc import Iterator
from dataclasses import replace

import asyncpg
import pytest

from cli.runtime.postgres import SUPERUSER, prepare_postgres
from shared.kit.errors import Unusable
from tests.fakes.embedded import PostgresServer, start_postgres


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A Postgres for this test alone."""
    started = start_postgres()
    yield started
    started.close()


def test_a_killed_servers_number_in_use_by_another_program_does_not_stop_the_next_start(server: PostgresServer) -> None:
    account = server.setup.account
    server.kill()
    stale = server.setup.cluster / "postmaster.pid"
    lines = stale.read_text(encoding="ascii").splitlines(keepends=True)
    with subprocess.Popen(["/bin/sleep", "100"], user=account.uid if account else None) as other:
        stale.write_text("".join([f"{other.pid}\n", *lines[1:]]), encoding="ascii")

        server.start()

        other.kill()


def test_a_cluster_that_is_being_served_is_refused_with_the_number_of_the_server(server: PostgresServer) -> None:
    assert server.process is not None
    with pytest.raises(Unusable, match=f"is being served by process {server.process.pid}"):
        prepare_postgres(server.setup)


async def test_new_passwords_and_new_roles_take_effect_at_the_next_start(server: PostgresServer) -> None:
    server.stop()
    server.setup = replace(server.setup, passwords={SUPERUSER: "other", "incidents": "changed", "console": "new"})
    server.start()

    for role in (SUPERUSER, "incidents", "console"):
        connection = await asyncpg.connect(server.dsn_of(role))
        assert await connection.fetchval("SELECT current_user") == role
        await connection.close()


async def test_a_wrong_password_is_refused(server: PostgresServer) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(server.dsn_of("incidents").replace("incidents-password", "guess"))


async def test_a_service_cannot_read_the_tables_of_another(server: PostgresServer) -> None:
    mine = await asyncpg.connect(server.dsn_of("notifier"))
    await mine.execute("CREATE SCHEMA notifier; CREATE TABLE notifier.pages (id int)")
    other = await asyncpg.connect(server.dsn_of("incidents"))

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await other.fetch("SELECT * FROM notifier.pages")

    await mine.close()
    await other.close()
