"""Postgres: a pool, named queries out of `queries.sql`, and drivers' errors in our own words."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg

from shared.kit.crash_points import reached
from shared.kit.errors import Transient, Unusable
from shared.kit.settings import DatabaseSettings

Connection: TypeAlias = Any
"""A pooled asyncpg connection inside a transaction; the driver ships no types."""

TRANSIENT = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # after a time-out the ROLLBACK may find the driver still busy with what timed out
    asyncpg.TransactionRollbackError,  # serialisation failures and deadlocks
    asyncpg.InsufficientResourcesError,  # too many connections, disk full
    asyncpg.OperatorInterventionError,  # shutdown, crash recovery, cancelled
    asyncpg.CannotConnectNowError,
    asyncpg.LockNotAvailableError,
)
"""What may pass by itself; anything else from the driver is our own mistake."""

MISTAKEN = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.exceptions.ClientConfigurationError,
)
"""What the URL itself is to blame for."""

SESSION = {
    "TimeZone": "UTC",
    "idle_in_transaction_session_timeout": "30s",
    "lock_timeout": "5s",
    # A session whose cable is cut is given up after some ten seconds: each counts against the role's limit, and a
    # replica that was cut off and started anew would find no room. Over a Unix socket these mean nothing.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",  # milliseconds
}


class Queries:
    """The statements of one `queries.sql`, by name.

    Each begins with a line `-- name: what_it_does` and a comment of one line that says what for.
    """

    def __init__(self, path: Path) -> None:
        parts = re.split(r"^-- name: (\w+)\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        self._by_name: dict[str, str] = dict(zip(parts[1::2], (text.strip() for text in parts[2::2]), strict=True))

    def __getitem__(self, name: str) -> str:
        """The SQL text of a statement; KeyError for a name that is not in the file."""
        return self._by_name[name]

    def names(self) -> list[str]:
        """Every statement's name."""
        return list(self._by_name)


@contextlib.asynccontextmanager
async def pool(settings: DatabaseSettings, schema: str, *rehearsed: Queries) -> AsyncIterator[asyncpg.Pool]:
    """A pool whose sessions see only this service's schema, in UTC, and never wait for ever.

    The statements of `rehearsed` are prepared and planned in each session as it opens: the first page after a start
    must not be the one that pays for it (tens of milliseconds, mostly for looking up types, tables and indexes).
    """
    try:
        opened = await asyncpg.create_pool(
            settings.database_url.get_secret_value(),
            min_size=settings.pool_size,  # all at the start: the first burst must not wait for logins
            init=lambda connection: _rehearse(connection, rehearsed),
            max_size=settings.pool_size,
            timeout=5,
            command_timeout=10,
            max_cached_statement_lifetime=0,  # what was prepared at the start stays prepared
            server_settings={"search_path": schema, "application_name": f"hypercare-{schema}", **SESSION},
        )
    except MISTAKEN as error:
        raise Unusable(f"HYPERCARE_DATABASE_URL: {error}") from error
    except asyncpg.UndefinedTableError as error:
        raise Unusable(f"schema {schema}: {error}; run `hypercare migrate` first") from error
    except TRANSIENT as error:
        raise Transient(f"database unreachable: {error!r}") from error
    try:
        yield opened
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await opened.close()
        opened.terminate()


async def _rehearse(connection: Connection, rehearsed: tuple[Queries, ...]) -> None:
    plays = ["SELECT 1"]
    for queries in rehearsed:
        for name in queries.names():
            # `prepare` would not put the statement where `fetch` looks for it.
            prepared = await connection._prepare(queries[name], use_cache=True)  # noqa: SLF001
            nothing = ", ".join("NULL" for _ in prepared.get_parameters())
            plays.append(f"EXPLAIN EXECUTE {prepared.get_name()}" + (f" ({nothing})" if nothing else ""))
    # Explaining plans a statement and opens what it would touch, and does none of it. It also ends the transaction that
    # preparing has left open, with its locks: no migration would get past.
    await connection.execute(";\n".join(plays))


@contextlib.asynccontextmanager
async def transaction(db: asyncpg.Pool) -> AsyncIterator[Connection]:
    """One transaction; a database that is away, busy or shutting down is Transient."""
    try:
        async with db.acquire(timeout=5) as connection:
            async with connection.transaction():
                yield connection
                reached("commit.before")
            reached("commit.after")
    except TRANSIENT as error:
        raise Transient(f"database: {error!r}") from error


async def answers(db: asyncpg.Pool) -> str | None:
    """A readiness check: None when the database answers, else what is wrong."""
    try:
        async with db.acquire(timeout=2) as connection:
            await connection.execute("SELECT 1", timeout=2)
    except TRANSIENT as error:
        return f"database: {error!r}"
    return None
