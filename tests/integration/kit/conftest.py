from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext

from shared.kit.bus import Publisher, connect, declare_all
from shared.kit.settings import BusSettings
from tests.fakes.embedded import NatsServer


@dataclass
class Bus:
    """A fresh bus with everything declared."""

    server: NatsServer
    settings: BusSettings
    client: Client
    js: JetStreamContext
    publisher: Publisher


@pytest.fixture
async def declared(bus: NatsServer) -> AsyncIterator[Bus]:
    settings = BusSettings(nats_url=bus.url)
    client = await connect(settings, "test")
    js = client.jetstream()
    await declare_all(js)
    publisher = Publisher(client, "/hypercare/test")
    await publisher.start()
    yield Bus(bus, settings, client, js, publisher)
    await client.close()
