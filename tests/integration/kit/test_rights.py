"""Each user of the bus can do its own work; `test_misuse.py` tries the rest."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import nats
import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError

from services.evaluator.adapters.checkpoints import JetStreamCheckpoints
from services.evaluator.adapters.jetstream_log import JetStreamLog
from services.evaluator.ports import Checkpoint
from shared.contracts.streams import CONSUMERS
from shared.kit.bus import Publisher, declare_all
from shared.kit.clock import SystemClock
from shared.kit.partitions import Beat, Membership
from shared.kit.revisions import Follower, Pointer, move_pointer, store_slice
from shared.kit.tokens import Role, Tokens, hash_of, store_token
from shared.values import Partition
from tests.fakes.embedded import NatsServer
from tests.fakes.keys import TOKEN_KEY
from tests.fakes.servers import start_guarded_nats

SERVICES = ["prober", "evaluator", "incidents", "notifier", "console"]


@pytest.fixture(scope="module")
def guarded() -> Iterator[NatsServer]:
    server = start_guarded_nats()
    asyncio.run(declare(server))
    yield server
    server.close()


async def login(server: NatsServer, user: str, errors: list[str] | None = None) -> Client:
    async def remember(error: Exception) -> None:
        if errors is not None:
            errors.append(str(error))

    return await nats.connect(
        server.url, user=user, password=f"{user}-pw", inbox_prefix=f"_INBOX.{user}", error_cb=remember
    )


async def declare(server: NatsServer) -> None:
    admin = await login(server, "admin")
    js = admin.jetstream()
    await declare_all(js)
    for service in SERVICES:
        await store_slice(js, service, "digest", b"{}")
    await move_pointer(js, dict.fromkeys([*SERVICES, "document"], "digest"), at="", by="test")
    await admin.close()


@pytest.fixture
async def admin(guarded: NatsServer) -> AsyncIterator[Client]:
    client = await login(guarded, "admin")
    yield client
    await client.close()


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_takes_its_own_configuration_and_joins_the_members(guarded: NatsServer, service: str) -> None:
    client = await login(guarded, service)
    taken: list[bytes] = []

    async def take(_: Pointer, data: bytes) -> None:
        taken.append(data)

    follower = Follower(client.jetstream(), service, "one", take)
    await follower.look()
    publisher = Publisher(client, f"/hypercare/{service}")
    await publisher.start()
    membership = Membership(client, publisher, Beat(service, "one", "nonce", 0))
    await membership.beat()
    await membership.look()
    await client.close()
    assert taken == [b"{}"]
    assert membership.alive == ("one",)


@pytest.mark.parametrize("service", ["incidents", "notifier", "platform"])
async def test_a_service_reads_its_declared_consumers(guarded: NatsServer, service: str) -> None:
    client = await login(guarded, service)
    js = client.jetstream()
    for consumer in CONSUMERS:
        if consumer.service == service:
            subscription = await js.pull_subscribe(
                consumer.filters[0], durable=consumer.durable, stream=consumer.stream,
                inbox_prefix=f"_INBOX.{service}.".encode(),
            )  # fmt: skip
            with pytest.raises(NatsError):
                await subscription.fetch(1, timeout=0.1)  # empty, not refused
    await client.close()


async def test_an_evaluator_reads_the_log_and_keeps_checkpoints(guarded: NatsServer) -> None:
    client = await login(guarded, "evaluator")
    js = client.jetstream()
    checkpoints = JetStreamCheckpoints(js, Partition(7))
    log = JetStreamLog(client, js, Partition(7))
    start = await log.where(None)
    kept = [Checkpoint(replace(start, sequence=number), f"state {number}".encode() * 100_000) for number in range(4)]
    for one in kept:
        await checkpoints.save(one)
    assert await JetStreamCheckpoints(js, Partition(7)).load() == [kept[3], kept[2]]
    async with contextlib.aclosing(log.read(start)) as records:
        assert await anext(records) is None
    await client.close()


@pytest.mark.parametrize("value", [b"", b"not json", b"[]", b"{}", b'{"name": "x", "role": "king", "seal": "y"}'])
async def test_an_entry_that_cannot_be_read_is_no_token(admin: Client, value: bytes) -> None:
    bucket = await admin.jetstream().key_value("tokens")
    await bucket.put(hash_of("spoilt"), value)
    assert await Tokens(admin.jetstream(), TOKEN_KEY, SystemClock()).identify("spoilt") is None


async def test_an_entry_sealed_for_another_token_is_no_token(admin: Client) -> None:
    js = admin.jetstream()
    await store_token(js, TOKEN_KEY, "of-an-admin", "ana", Role.ADMIN, SystemClock().now())
    bucket = await js.key_value("tokens")
    await bucket.put(hash_of("mine"), (await bucket.get(hash_of("of-an-admin"))).value or b"")
    assert await Tokens(js, TOKEN_KEY, SystemClock()).identify("mine") is None
