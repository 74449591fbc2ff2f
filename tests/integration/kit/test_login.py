"""A login that the bus refuses: the log says which settings to look at, and is not flooded."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from nats.aio.client import Client
from pydantic import SecretStr
from structlog.testing import capture_logs

from cli.runtime.nats import bus_logins
from shared.contracts.permissions import BUS_USERS
from shared.kit.bus import connect_options, connected
from shared.kit.settings import BusSettings
from tests.fakes.embedded import NatsServer
from tests.fakes.servers import start_guarded_nats

ATTEMPTS = 6
REFUSED = "the bus refuses the login: HYPERCARE_NATS_USER, HYPERCARE_NATS_PASSWORD (or _FILE)"


@pytest.fixture
def guarded() -> Iterator[NatsServer]:
    server = start_guarded_nats()
    yield server
    server.close()


def counted(options: dict[str, Any], reported: asyncio.Semaphore) -> dict[str, Any]:
    """The same options; `reported` is released once for each error that the client reports."""
    say = options["error_cb"]

    async def count(error: Exception) -> None:
        await say(error)
        reported.release()

    return options | {"error_cb": count}


@pytest.mark.parametrize("password", ["wrong", None])
async def test_a_refused_login_is_said_in_words_but_not_at_each_attempt_until_we_are_let_in(
    guarded: NatsServer, password: str | None
) -> None:
    settings = BusSettings(
        nats_url=guarded.url,
        nats_user="prober" if password else None,
        nats_password=SecretStr(password) if password else None,
    )
    reported = asyncio.Semaphore(0)
    with capture_logs() as logs:
        client, options = Client(), counted(connect_options(settings, "prober"), reported)
        trying = asyncio.create_task(client.connect(guarded.url, **options))
        async with asyncio.timeout(60):
            for _ in range(ATTEMPTS):
                await reported.acquire()
            guarded.logins = ()  # everybody is let in
            guarded.restart()
            await trying
        await client.close()

    said = [line["error"] for line in logs if line["event"] == "bus_error"]
    assert REFUSED in said[0]
    assert len(said) < ATTEMPTS


async def test_a_password_that_has_changed_while_we_ran_is_said_too(guarded: NatsServer) -> None:
    settings = BusSettings(nats_url=guarded.url, nats_user="prober", nats_password=SecretStr("prober-pw"))
    with capture_logs() as logs:
        async with connected(settings, "prober"):
            guarded.stop()
            guarded.logins = bus_logins(BUS_USERS, {user.name: "new" for user in BUS_USERS})
            guarded.start()
            async with asyncio.timeout(60):
                while not any(REFUSED in str(line.get("error")) for line in logs):
                    await asyncio.sleep(0.05)
