"""The database's roles, one a service: it owns its schema, and sees no other's. `hypercare migrate` keeps them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from shared.kit.postgres import Connection


def url_as(database_url: str, role: str, password: str) -> str:
    """The same database as another role."""
    parts = urlsplit(database_url)
    server = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{role}:{quote(password, safe='')}@{server}").geturl()


async def ensure_roles(database_url: str, passwords: Mapping[str, str]) -> list[str]:
    """Make what cannot log in able to; returns what was changed, in words. `database_url` is the superuser's.

    Raises Transient when the database is away, Unusable when it does not let the superuser in.
    """
    changes = []
    for role, password in passwords.items():
        if not await _can_log_in(url_as(database_url, role, password)):
            changes.append(await _make(database_url, role, password))
    return changes


async def _can_log_in(url: str) -> bool:
    import asyncpg

    from shared.kit.errors import Transient
    from shared.kit.postgres import TRANSIENT

    try:
        connection = await asyncpg.connect(url, timeout=5)
    except asyncpg.InvalidAuthorizationSpecificationError:
        return False
    except asyncpg.InsufficientPrivilegeError:  # it may not connect to this database yet
        return False
    except TRANSIENT as error:
        raise Transient(f"database unreachable: {error!r}") from error
    await connection.close()
    return True


async def _make(database_url: str, role: str, password: str) -> str:
    import asyncpg

    from shared.kit.errors import Transient, Unusable
    from shared.kit.postgres import TRANSIENT

    try:
        connection = await asyncpg.connect(database_url, timeout=5)
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise Unusable(f"HYPERCARE_DATABASE_URL: {error}") from error
    except TRANSIENT as error:
        raise Transient(f"database unreachable: {error!r}") from error
    try:
        async with connection.transaction():
            return await _grant(connection, role, password)
    finally:
        await connection.close()


async def _grant(connection: "Connection", role: str, password: str) -> str:
    database = await connection.fetchval("SELECT quote_ident(current_database())")
    name = await connection.fetchval("SELECT quote_ident($1)", role)
    secret = await connection.fetchval("SELECT quote_literal($1)", password)
    is_new = await connection.fetchval("SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", role)
    if is_new:
        await connection.execute(f"CREATE ROLE {name}")
    await connection.execute(f"ALTER ROLE {name} LOGIN PASSWORD {secret}")
    await connection.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
    await connection.execute(f"GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {database} TO {name}")
    return f"role {role} {'made' if is_new else 'has its new password'}"
