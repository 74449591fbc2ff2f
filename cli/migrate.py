"""`hypercare migrate`: database schemas and everything on the bus, declared once and brought up to date."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from cli.system import (
    DEFAULT_DATA,
    EXIT_UNREACHABLE,
    SCHEMAS,
    AsJson,
    Data,
    System,
    admin_bus,
    fail,
    find_system,
    run,
    show,
)


def migrate(
    *,
    data: Data = DEFAULT_DATA,
    replicas: Annotated[int, typer.Option(help="Copies of each stream: 3 on a cluster.", min=1, max=5)] = 1,
    as_json: AsJson = False,
) -> None:
    """Apply what is missing: SQL migrations, streams, buckets, consumers. Safe to run again and side by side."""
    system = find_system(data)
    if not system.database_urls:
        fail("HYPERCARE_DATABASE_URL (or _FILE) is not set, and no `hypercare up` runs here", EXIT_UNREACHABLE)
    changes = run(migrate_all(system, replicas))
    show(changes, as_json=as_json, text=lambda: "\n".join(changes) or "everything is up to date")


async def migrate_all(system: System, replicas: int = 1) -> list[str]:
    """Both halves at once; returns what was changed, in words. Raises Unusable or Transient."""
    import asyncio

    schemas, bus = await asyncio.gather(_schemas(system.database_urls), _bus(system, replicas))
    return [*schemas, *bus]


async def _schemas(database_urls: Mapping[str, str]) -> list[str]:
    from shared.kit.migrations import migrate as apply_migrations
    from shared.kit.migrations import read_migrations

    services = Path(__file__).parent.parent / "services"
    applied: list[str] = []
    for name in SCHEMAS:
        applied += await apply_migrations(database_urls[name], name, read_migrations(services / name / "migrations"))
    return applied


async def _bus(system: System, replicas: int) -> list[str]:
    from shared.kit.bus import declare_all

    async with admin_bus(system) as client:
        return await declare_all(client.jetstream(), replicas=replicas)
