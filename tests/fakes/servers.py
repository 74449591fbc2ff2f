"""Where a test's bus and database run: `HYPERCARE_TEST_RUNTIME=embedded` (default), `containers` or `auto`.

`auto` takes containers where a Docker engine answers and has the images. Tests of `hypercare up`'s own servers use
`embedded` directly, whatever is wished here.
"""

import tempfile
from enum import StrEnum
from functools import cache
from pathlib import Path

from cli.runtime.nats import BusLogin, bus_logins
from shared.contracts.permissions import BUS_USERS
from shared.kit.errors import Unusable
from shared.kit.settings import environment
from tests.fakes import embedded
from tests.fakes.embedded import NatsServer, PostgresServer, started
from tests.fakes.keys import BUS_PASSWORDS


class Runtime(StrEnum):
    """What the servers are made of."""

    EMBEDDED = "embedded"
    CONTAINERS = "containers"
    AUTO = "auto"


@cache
def runtime() -> Runtime:
    """EMBEDDED or CONTAINERS, decided once per process. Raises Unusable for an unknown wish."""
    wish = environment().get("HYPERCARE_TEST_RUNTIME") or Runtime.EMBEDDED
    if wish not in {*Runtime}:
        raise Unusable(f"HYPERCARE_TEST_RUNTIME: must be one of {', '.join(Runtime)} (got {wish})")
    if wish != Runtime.AUTO:
        return Runtime(wish)
    from tests.fakes import containers  # late: testcontainers is slow to import, and few ask for it

    return Runtime.EMBEDDED if containers.missing() else Runtime.CONTAINERS


def why_not() -> str | None:
    """Why the wished runtime cannot be had; None if it can. Images that are missing are fetched when they are used."""
    if runtime() is not Runtime.CONTAINERS:
        return None
    from tests.fakes import containers

    found = containers.missing()
    return found if found and "engine answers" in found else None


def start_nats(users: tuple[BusLogin, ...] = ()) -> NatsServer:
    """A fresh nats-server, ready. No users: everyone may do everything."""
    if runtime() is Runtime.EMBEDDED:
        return embedded.start_nats(users)
    from tests.fakes.containers import NatsContainer

    return started(NatsContainer(_folder(), users))


def start_guarded_nats() -> NatsServer:
    """A fresh nats-server with the real table of users, each with its rights; ADMIN first: it asks for readiness."""
    users = tuple(sorted(BUS_USERS, key=lambda user: user.name != "admin"))
    return start_nats(bus_logins(users, BUS_PASSWORDS))


def start_postgres(roles: tuple[str, ...] = ("incidents", "notifier", "programme")) -> PostgresServer:
    """A fresh Postgres, ready, with the database `hypercare` and these roles."""
    if runtime() is Runtime.EMBEDDED:
        return embedded.start_postgres(roles)
    from tests.fakes.containers import PostgresContainer

    return started(PostgresContainer(_folder(), roles))


def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="hc-container-"))
