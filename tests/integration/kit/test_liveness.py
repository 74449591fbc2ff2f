"""When a replica asks to be restarted: for a connection that is deaf, not for a bus that is away."""

import asyncio

from cli.runtime.nats import find_nats_server
from cli.runtime.ports import Ports
from shared.kit.bus import connected, watch_bus
from shared.kit.health import Health
from shared.kit.settings import BusSettings
from tests.integration.kit.conftest import Bus
from tests.integration.kit.test_broker import until


async def test_a_bus_that_is_away_is_told_and_is_no_reason_to_restart(declared: Bus) -> None:
    health = Health()
    watch_bus(health, declared.client)
    assert (await health.liveness(), await health.ills()) == ({}, {})
    declared.server.kill()

    async def is_told() -> bool:
        return not declared.client.is_connected and await health.ills() == {"bus": "the bus does not answer"}

    await until(is_told)
    assert await health.liveness() == {}
    assert await health.readiness() == {}
    await asyncio.to_thread(declared.server.start)

    async def is_well() -> bool:
        return await health.ills() == {}

    await until(is_well)


async def test_a_connection_that_is_deaf_is_a_reason_to_restart(declared: Bus) -> None:
    health = Health()
    watch_bus(health, declared.client)
    declared.server.pause()
    try:
        assert await health.liveness() == {"bus": "connected to the bus, and it does not answer"}
    finally:
        declared.server.resume()
    assert await health.liveness() == {}


async def test_a_bus_without_jetstream_answers_and_is_not_deaf() -> None:
    ports = Ports()
    port = str(ports.choose("nats"))
    server = await asyncio.create_subprocess_exec(find_nats_server(), "--addr", "127.0.0.1", "--port", port)
    try:
        async with connected(BusSettings(nats_url=f"nats://127.0.0.1:{port}"), "test") as client:
            health = Health()
            watch_bus(health, client)
            assert await health.ills() == {"bus": "the bus does not answer"}
            assert await health.liveness() == {}
    finally:
        server.kill()
        await server.wait()
