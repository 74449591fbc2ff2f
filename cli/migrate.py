"""`hypercare migrate`: database schemas and everything on the bus, declared once and brought up to date."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

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

if TYPE_CHECKING:
    from nats.js import JetStreamContext

USUAL_PORTS: Final = {"postgresql": 5432, "postgres": 5432}


def migrate(
    *,
    data: Data = DEFAULT_DATA,
    replicas: Annotated[
        int,
        typer.Option(help="Copies of each stream: 3 on a cluster.", min=1, max=5, envvar="HYPERCARE_NATS_REPLICAS"),
    ] = 1,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the bus and the database.", min=0)] = 0,
    before_roll: Annotated[
        bool, typer.Option("--before-roll", help="The version before still runs: leave what would break it for later.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Apply what is missing: SQL migrations, streams, buckets, consumers. Safe to run again and side by side.

    With HYPERCARE_INCIDENTS_PASSWORD and HYPERCARE_NOTIFIER_PASSWORD (or _FILE) each service has a role of its own
    in the database, made by HYPERCARE_DATABASE_URL's superuser; with HYPERCARE_TOKEN that token is the administrator's.
    """
    system = find_system(data)
    if not system.database_urls:
        fail("HYPERCARE_DATABASE_URL (or _FILE) is not set, and no `hypercare up` runs here", EXIT_UNREACHABLE)
    changes = run(migrate_within(system, replicas, wait, before_roll=before_roll))
    show(changes, as_json=as_json, text=lambda: "\n".join(changes) or "everything is up to date")


async def migrate_within(
    system: System, replicas: int = 1, wait_s: float = 0.0, *, before_roll: bool = False
) -> list[str]:
    """`migrate_all`, begun again for so many seconds while a server does not answer: each step may be repeated."""
    import asyncio

    from shared.kit.errors import Transient

    deadline = asyncio.get_running_loop().time() + wait_s
    if wait_s:
        await _until_they_listen([system.nats_url.split(",")[0], *system.database_urls.values()], wait_s)
    while True:
        try:
            return await migrate_all(system, replicas, before_roll=before_roll)
        except (Transient, TimeoutError):  # on a busy machine a server listens well before it answers in time
            if asyncio.get_running_loop().time() >= deadline:
                raise
        await asyncio.sleep(0.5)


async def _until_they_listen(urls: Iterable[str], within_s: float) -> None:
    """Wait for servers that are starting too. When the time is up, whoever needs them says best what is missing."""
    import asyncio

    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    for url in urls:
        while not await _listens(url) and loop.time() < deadline:  # noqa: ASYNC110  # a server elsewhere sets no event
            await asyncio.sleep(0.2)


async def _listens(url: str) -> bool:
    import asyncio

    where = urlsplit(url)
    if not where.hostname:  # a socket in a folder
        return True
    try:
        async with asyncio.timeout(2):
            _, writer = await asyncio.open_connection(where.hostname, where.port or USUAL_PORTS.get(where.scheme, 4222))
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def migrate_all(system: System, replicas: int = 1, *, before_roll: bool = False) -> list[str]:
    """Both halves at once; returns what was changed, in words. Raises Unusable or Transient."""
    import asyncio

    halves = (_database(system, before_roll=before_roll), _bus(system, replicas))
    changed: list[str] = []
    for half in await asyncio.gather(*halves, return_exceptions=True):  # both are away: one of them is said
        if isinstance(half, BaseException):
            raise half
        changed += half
    return changed


async def _database(system: System, *, before_roll: bool) -> list[str]:
    """First the roles, where we are told their passwords; then each schema, as the role that owns it."""
    from cli.roles import ensure_roles, url_as

    urls, passwords = system.database_urls, system.role_passwords
    if not passwords:
        return await _schemas(urls, before_roll=before_roll)
    made = await ensure_roles(next(iter(urls.values())), passwords)
    own = {name: url_as(urls[name], name, passwords[name]) for name in passwords}
    return made + await _schemas({**urls, **own}, before_roll=before_roll)


async def _schemas(database_urls: Mapping[str, str], *, before_roll: bool) -> list[str]:
    from shared.kit import migrations

    services = Path(__file__).parent.parent / "services"
    applied: list[str] = []
    for name in SCHEMAS:
        found = migrations.read_migrations(services / name / "migrations")
        wanted = migrations.before_roll(found) if before_roll else found
        applied += await migrations.migrate(database_urls[name], name, wanted)
    return applied


async def _bus(system: System, replicas: int) -> list[str]:
    from shared.kit.bus import declare_all

    async with admin_bus(system) as client:
        js = client.jetstream()
        return [*await declare_all(js, replicas=replicas), *await _keep_token(js, system)]


async def _keep_token(js: "JetStreamContext", system: System) -> list[str]:
    """The administrator's token is known to the services."""
    from shared.kit.clock import SystemClock
    from shared.kit.tokens import Role, Tokens, store_token

    clock = SystemClock()
    if not system.token or not system.token_key or await Tokens(js, system.token_key, clock).identify(system.token):
        return []
    await store_token(js, system.token_key, system.token, "admin", Role.ADMIN, clock.now())
    return ["the administrator's token"]
