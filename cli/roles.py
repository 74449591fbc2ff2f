"""The database's roles, one a service: it owns its schema, and sees no other's. `hypercare migrate` keeps them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from shared.kit.postgres import Connection

KEPT_FREE: Final = 6
"""Connections that no service can take: for `migrate`, a back-up, whoever looks into it."""


def url_as(database_url: str, role: str, password: str) -> str:
    """The same database as another role."""
    parts = urlsplit(database_url)
    server = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{role}:{quote(password, safe='')}@{server}").geturl()


async def ensure_roles(database_url: str, passwords: Mapping[str, str]) -> list[str]:
    """Make what cannot log in able to; returns what was changed, in words. `database_url` is the superuser's.

    Raises Transient when the database is away, Unusable when it does not let the superuser in.
    """
    connection = await _connect(database_url)
    try:
        changes = []
        for role, password in passwords.items():
            is_new = await connection.fetchval("SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", role)
            if is_new:
                await _make(connection, role)
            changes += await _limit(connection, role)  # before we log in: it may be why the role cannot
            if is_new or not await _can_log_in(url_as(database_url, role, password)):
                async with connection.transaction():
                    await _grant(connection, role, password)
                changes.append(f"role {role} {'made' if is_new else 'has its new password'}")
        return changes
    finally:
        await connection.close()


async def _connect(database_url: str) -> "Connection":
    import asyncpg

    from shared.kit.errors import Transient, Unusable
    from shared.kit.postgres import TRANSIENT

    try:
        return await asyncpg.connect(database_url, timeout=5)
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise Unusable(f"HYPERCARE_DATABASE_URL: {error}") from error
    except TRANSIENT as error:
        raise Transient(f"database unreachable: {error!r}") from error


async def _can_log_in(url: str) -> bool:
    import asyncpg

    from shared.kit.errors import Unusable

    try:
        connection = await _connect(url)
    except Unusable:
        return False
    except asyncpg.InsufficientPrivilegeError:  # it may not connect to this database yet
        return False
    await connection.close()
    return True


async def _make(connection: "Connection", role: str) -> None:
    name = await connection.fetchval("SELECT quote_ident($1)", role)
    await connection.execute(f"CREATE ROLE {name}")


async def _grant(connection: "Connection", role: str, password: str) -> None:
    database = await connection.fetchval("SELECT quote_ident(current_database())")
    name = await connection.fetchval("SELECT quote_ident($1)", role)
    secret = await connection.fetchval("SELECT quote_literal($1)", password)
    await connection.execute(f"ALTER ROLE {name} LOGIN PASSWORD {secret}")
    await connection.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
    await connection.execute(f"GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {database} TO {name}")


async def _limit(connection: "Connection", role: str) -> list[str]:
    """One service that goes astray must leave the other its half of the server's connections."""
    settings = "current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
    most = max(1, (await connection.fetchval(f"SELECT {settings}") - KEPT_FREE) // 2)
    if await connection.fetchval("SELECT rolconnlimit FROM pg_roles WHERE rolname = $1", role) == most:
        return []
    name = await connection.fetchval("SELECT quote_ident($1)", role)
    await connection.execute(f"ALTER ROLE {name} CONNECTION LIMIT {most}")
    return [f"role {role} may open {most} connections"]
