import asyncio
from collections.abc import Iterator

import nats
import pytest

from cli.runtime.nats import BusLogin, answers, bus_logins
from shared.contracts.permissions import BUS_USERS
from tests.fakes.embedded import NatsServer, start_nats, wait_until


@pytest.fixture
def guarded() -> Iterator[NatsServer]:
    """A bus with the users and rights of the contract."""
    server = start_nats(bus_logins(BUS_USERS, {user.name: f"{user.name}-password" for user in BUS_USERS}))
    yield server
    server.close()


def test_every_user_of_the_contract_gets_in_and_nobody_else(guarded: NatsServer) -> None:
    assert all(answers(guarded.port, login) for login in guarded.logins)
    assert not answers(guarded.port)
    assert not answers(guarded.port, BusLogin("admin", "guess"))


async def test_a_prober_may_not_write_control_records(guarded: NatsServer) -> None:
    refused = asyncio.Event()

    async def on_error(error: Exception) -> None:
        if "permissions violation" in str(error).lower():
            refused.set()

    client = await nats.connect(guarded.url, user="prober", password="prober-password", error_cb=on_error)
    await client.publish("hc.samples.v1.3.control.owner", b"{}")
    async with asyncio.timeout(10):
        await refused.wait()
    await client.close()


def test_passwords_are_in_a_file_that_only_its_owner_reads(guarded: NatsServer) -> None:
    assert (guarded.folder / "nats.conf").stat().st_mode & 0o077 == 0


def test_a_bus_that_is_frozen_or_gone_does_not_answer(bus: NatsServer) -> None:
    bus.pause()
    assert not answers(bus.port, timeout_s=0.1)
    bus.resume()
    wait_until(lambda: answers(bus.port), "the bus answers again")
    bus.stop()
    assert not answers(bus.port)
