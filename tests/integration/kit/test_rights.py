"""Each user of the bus may do its own work and nothing else."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator

import nats
import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import KeyNotFoundError

from cli.runtime.nats import bus_logins
from shared.contracts.permissions import BUS_USERS
from shared.contracts.streams import CONSUMERS, REVISIONS
from shared.kit.bus import Publisher, declare_all
from shared.kit.clock import SystemClock
from shared.kit.errors import Transient
from shared.kit.partitions import Beat, Membership
from shared.kit.revisions import Follower, Pointer, move_pointer, store_slice
from shared.kit.tokens import Identity, Role, Tokens, hash_of, store_token
from tests.fakes.embedded import NatsServer
from tests.fakes.keys import TOKEN_KEY
from tests.fakes.servers import start_nats

SERVICES = ["prober", "evaluator", "incidents", "notifier", "console"]


@pytest.fixture(scope="module")
def guarded() -> Iterator[NatsServer]:
    """A bus with the real table of users, ADMIN first so that readiness can be asked."""
    users = tuple(sorted(BUS_USERS, key=lambda user: user.name != "admin"))
    server = start_nats(bus_logins(users, {user.name: f"{user.name}-pw" for user in users}))
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


@pytest.mark.parametrize("service", ["incidents", "notifier"])
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
    store = await js.object_store("checkpoints")
    await store.put("7/1", b"state")
    assert (await store.get("7/1")).data == b"state"
    pointers = await js.key_value("checkpoint-pointers")
    await pointers.put("7", b"7/1")
    await js.add_consumer("SAMPLES", filter_subject="hc.samples.v1.7.>", name="reader-7", inactive_threshold=30)
    await client.close()


FORBIDDEN = [
    ("prober", "hc.samples.v1.7._ctl", "a prober may not say a control record"),
    ("prober", "hc.breaches.v1.evaluator-7.erp-web.opened", "nor invent a breach"),
    ("evaluator", "hc.samples.v1.7.main", "an evaluator may not invent samples"),
    ("evaluator", "hc.pages.v1.requested", "nor page anybody"),
    ("incidents", "hc.breaches.v1.evaluator-7.erp-web.cleared", "incidents may not clear a breach"),
    ("incidents", "hc.receipts.v1.p.acknowledged", "nor say that a page was seen"),
    ("notifier", "hc.pages.v1.requested", "a notifier may not request pages"),
    ("console", "hc.incidents.v1.x.closed", "the console says nothing"),
    ("console", "$KV.tokens.abc", "nobody but the admin makes tokens"),
    ("prober", "$JS.API.STREAM.DELETE.SAMPLES", "nobody but the admin deletes a stream"),
    ("notifier", "$KV.config.current", "nobody but the admin moves the pointer"),
]


@pytest.mark.parametrize(("user", "subject", "why"), FORBIDDEN, ids=lambda v: str(v)[:40])
async def test_nobody_publishes_what_is_not_theirs(guarded: NatsServer, user: str, subject: str, why: str) -> None:
    errors: list[str] = []
    client = await login(guarded, user, errors)
    publisher = Publisher(client, "/x", answer_s=0.3)
    await publisher.start()
    with pytest.raises(Transient):
        await publisher.publish_raw(subject, b"{}", {}, give_up_s=0.0)
    await client.close()
    assert any("permissions violation" in error.lower() for error in errors), why


@pytest.mark.parametrize("subject", ["_INBOX.notifier.>", "hc.pages.v1.>", ">"])
async def test_nobody_listens_where_they_have_no_business(guarded: NatsServer, subject: str) -> None:
    errors: list[str] = []
    client = await login(guarded, "prober", errors)
    subscription = await client.subscribe(subject)
    with pytest.raises(NatsError):
        await subscription.next_msg(timeout=0.2)
    await client.close()
    assert any("permissions violation" in error.lower() for error in errors)


async def test_a_prober_cannot_read_phone_numbers(guarded: NatsServer) -> None:
    client = await login(guarded, "prober", [])
    js = client.jetstream(timeout=0.3)
    with pytest.raises((NatsError, TimeoutError)):
        await js.object_store(REVISIONS["notifier"].name)
    await client.close()


async def test_an_entry_smuggled_in_by_a_reply_subject_makes_no_token(guarded: NatsServer, admin: Client) -> None:
    """NATS checks where a user publishes, not which reply a request names: the seal is what protects the tokens."""
    # given a prober's login, and an entry for a token of its own where it may write
    prober = await login(guarded, "prober")
    publisher = Publisher(prober, "/x")
    await publisher.start()
    forged = {"name": "mallory", "role": "admin", "created_at": "", "seal": "0" * 64}
    await publisher.publish_raw("$KV.members.prober.evil", json.dumps(forged).encode(), {})
    # when it asks for that message to be sent into the bucket of the tokens
    key = hash_of("my-own-token")
    await prober.publish("$JS.API.DIRECT.GET.KV_members.$KV.members.prober.evil", b"", reply=f"$KV.tokens.{key}")
    js = admin.jetstream()
    assert b"mallory" in await entry_in(js, key)
    await prober.close()
    # then it lies there and nobody believes it, while one that was sealed is believed
    tokens = Tokens(js, TOKEN_KEY, SystemClock())
    assert await tokens.identify("my-own-token") is None
    await store_token(js, TOKEN_KEY, "a-good-token", "ana", Role.RESPONDER, SystemClock().now())
    assert await tokens.identify("a-good-token") == Identity("ana", Role.RESPONDER)


async def entry_in(js: JetStreamContext, key: str) -> bytes:
    bucket = await js.key_value("tokens")
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(KeyNotFoundError):
                return (await bucket.get(key)).value or b""
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("value", [b"", b"not json", b"[]", b"{}", b'{"name": "x", "role": "king", "seal": "y"}'])
async def test_an_entry_that_cannot_be_read_is_no_token(admin: Client, value: bytes) -> None:
    bucket = await admin.jetstream().key_value("tokens")
    await bucket.put(hash_of("spoilt"), value)
    assert await Tokens(admin.jetstream(), TOKEN_KEY, SystemClock()).identify("spoilt") is None


async def test_an_entry_sealed_for_another_token_is_no_token(admin: Client) -> None:
    js = admin.jetstream()
    await store_token(js, TOKEN_KEY, "of-an-admin", "ana", Role.ADMIN, SystemClock().now())
    bucket = await js.key_value("tokens")
    await bucket.put(hash_of("mine"), await entry_in(js, hash_of("of-an-admin")))
    assert await Tokens(js, TOKEN_KEY, SystemClock()).identify("mine") is None
