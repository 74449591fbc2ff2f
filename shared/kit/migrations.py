"""Plain SQL migrations: `migrations/NNNN_{pre,post}_what.sql`, each applied once, in order, never edited once merged.

`pre` runs while the old code still runs (add, nullable); `post` after it is gone (drop). Both under one advisory lock
per schema, with a lock timeout, each file in a transaction of its own.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from shared.kit.errors import Transient, Unusable
from shared.kit.postgres import TRANSIENT

_NAME = re.compile(r"(\d{4})_(pre|post)_[a-z0-9_]+\.sql")


@dataclass(frozen=True)
class Migration:
    """One file."""

    name: str
    sql: str

    @property
    def is_post(self) -> bool:
        """Whether it has to wait until the old code is gone."""
        return self.name[5:].startswith("post_")  # 0007_post_what.sql

    @property
    def checksum(self) -> str:
        """Tells an edited file from the one that was applied."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def before_roll(migrations: list[Migration]) -> list[Migration]:
    """Without the `post` ones at the end, which break code that may still run; they are the next version's first."""
    last = max((place for place, one in enumerate(migrations) if not one.is_post), default=-1)
    return migrations[: last + 1]


def read_migrations(folder: Path) -> list[Migration]:
    """All migrations of a service in order. Raises Unusable for a misnamed file."""
    files = sorted(folder.glob("*.sql"))
    for file in files:
        if not _NAME.fullmatch(file.name):
            raise Unusable(f"{file}: a migration is named NNNN_pre_what.sql or NNNN_post_what.sql")
    return [Migration(file.name, file.read_text(encoding="utf-8")) for file in files]


async def migrate(dsn: str, schema: str, migrations: list[Migration]) -> list[str]:
    """Apply what is missing; returns the names applied. Safe to run from several places at once.

    Raises Unusable when an applied file was edited, Transient when the database is away.
    """
    try:
        connection = await asyncpg.connect(dsn, timeout=5)
    except TRANSIENT as error:
        raise Transient(f"database unreachable: {error!r}") from error
    try:
        await connection.execute("SELECT pg_advisory_lock(hashtext($1))", f"migrate:{schema}")
        return await _apply(connection, schema, migrations)
    finally:
        await connection.close()


async def _apply(connection: asyncpg.Connection, schema: str, migrations: list[Migration]) -> list[str]:
    await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
    await connection.execute(f"SET search_path TO \"{schema}\"; SET lock_timeout TO '5s'")
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations"
        " (name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    done = {row["name"]: row["checksum"] for row in await connection.fetch("SELECT name, checksum FROM migrations")}
    applied = []
    for migration in migrations:
        if migration.name in done:
            if done[migration.name] != migration.checksum:
                raise Unusable(f"{schema}/{migration.name} was edited after it had been applied; write a new migration")
            continue
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO migrations (name, checksum) VALUES ($1, $2)", migration.name, migration.checksum
            )
        applied.append(f"{schema}/{migration.name}")
    return applied
