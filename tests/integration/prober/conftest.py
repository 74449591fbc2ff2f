from collections.abc import AsyncIterator

import pytest

from shared.kit.bus import connect, declare_all
from shared.kit.settings import BusSettings
from tests.fakes.embedded import NatsServer
from tests.integration.prober.targets import Target, running_target
from tests.integration.prober.world import Bus


@pytest.fixture
async def declared(bus: NatsServer) -> AsyncIterator[Bus]:
    client = await connect(BusSettings(nats_url=bus.url), "test")
    js = client.jetstream()
    await declare_all(js)
    yield Bus(bus, client, js)
    await client.close()


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    async with running_target() as target:
        yield target
