"""What no user of the bus may do, tried in every way there is: directly, by a reply subject, by a consumer.

nats-server checks where a user publishes, not which reply subject its request names, nor where a consumer delivers.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError
from pydantic import SecretStr
from structlog.testing import capture_logs

from services.evaluator.adapters.bus import BusSpeaker
from services.evaluator.adapters.jetstream_log import JetStreamLog
from shared.contracts import BreachOpened, ConfigApplied, PageRequested, Tick
from shared.contracts.permissions import BUS_USERS
from shared.contracts.streams import BUCKETS, CONSUMERS, MEMBERS, STREAMS
from shared.kit.bus import Publisher, connected, declare_all
from shared.kit.errors import Transient
from shared.kit.settings import BusSettings
from shared.kit.stored import read_last, subject_of
from shared.values import Partition
from tests.contract.messages.examples import EXAMPLES
from tests.fakes.embedded import NatsServer
from tests.fakes.servers import start_guarded_nats

BOUND = [user.name for user in BUS_USERS if not user.is_free]
STREAM_NAMES = [*(one.name for one in STREAMS), *(one.stream for one in BUCKETS)]
TICK, MARKER, BREACH, PAGE = (
    next(one for one in EXAMPLES if type(one) is kind) for kind in (Tick, ConfigApplied, BreachOpened, PageRequested)
)
OWN = {
    "prober": "hc.samples.v1.7.main",
    "evaluator": "hc.breaches.v1.evaluator-7.erp-web.opened",
    "incidents": "hc.pages.v1.requested",
    "notifier": "hc.receipts.v1.p.acknowledged",
}
"""Something each may say."""
FOREIGN = {
    "hc.samples.v1.7.main": "prober",
    "hc.samples.v1.7.control.owner": "evaluator",
    "hc.measurements.v1.erp-web": "evaluator",
    "hc.breaches.v1.evaluator-7.erp-web.opened": "evaluator",
    "hc.open.v1.evaluator-7": "evaluator",
    "hc.incidents.v1.x.closed": "incidents",
    "hc.pages.v1.requested": "incidents",
    "hc.receipts.v1.p.acknowledged": "notifier",
    "hc.programme.v1.x.signed": "admin",
    "hc.dead.v1.PAGES.notifier-pages": "notifier",
    "$KV.config.current": "admin",
    "$KV.tokens.abc": "admin",
    "$KV.members.prober.one": "prober",
    "$KV.members.notifier.one": "notifier",
    "$O.revisions_prober.M.x": "admin",
    "$O.checkpoints.M.x": "evaluator",
    "$KV.checkpoint-pointers.7": "evaluator",
    "$JS.API.STREAM.DELETE.DEAD": "admin",
    "$JS.API.STREAM.PURGE.PAGES": "admin",
    "$JS.API.STREAM.CREATE.EVIL": "admin",
    "$JS.API.STREAM.UPDATE.PAGES": "admin",
    "$JS.API.STREAM.MSG.DELETE.PAGES": "admin",
    "$JS.API.CONSUMER.DELETE.PAGES.notifier-pages": "admin",
    "$JS.API.CONSUMER.CREATE.PAGES.evil": "admin",
    "$JS.API.CONSUMER.CREATE.SAMPLES.evil": "admin",
    "$JS.API.CONSUMER.CREATE.SAMPLES": "admin",
    "$JS.API.CONSUMER.DURABLE.CREATE.SAMPLES.evil": "admin",
    "$JS.API.CONSUMER.MSG.NEXT.SAMPLES.evil": "admin",
    "$JS.ACK.PAGES.notifier-pages.1.1.1.1.0": "notifier",
    "$JS.API.CONSUMER.MSG.NEXT.PAGES.notifier-pages": "notifier",
    "$JS.API.DIRECT.GET.OBJ_revisions_notifier": "admin",
    "$JS.API.STREAM.MSG.GET.OBJ_revisions_notifier": "notifier",
}
"""Subject: who alone may say it."""
ATTEMPTS = [(user, subject) for user in BOUND for subject, owner in FOREIGN.items() if user != owner]


@dataclass(frozen=True)
class Bus:
    """A server with the real table of users."""

    server: NatsServer

    @contextlib.asynccontextmanager
    async def login(self, user: str) -> AsyncIterator[Client]:
        """As our services connect."""
        settings = BusSettings(nats_url=self.server.url, nats_user=user, nats_password=SecretStr(f"{user}-pw"))
        async with connected(settings, user) as client:
            yield client

    async def state(self) -> dict[str, tuple[int, int]]:
        """Each stream's first and last sequence, and each consumer's acknowledgements: what must not change."""
        async with self.login("admin") as client:
            js = client.jetstream()
            streams = {one.config.name: one.state for one in await js.streams_info()}
            found = {str(name): (state.first_seq, state.last_seq) for name, state in streams.items()}
            for one in CONSUMERS:
                info = await js.consumer_info(one.stream, one.durable)
                assert info.ack_floor is not None
                found[one.durable] = (info.ack_floor.stream_seq, info.num_ack_pending or 0)
            return found


@pytest.fixture(scope="module")
def bus() -> Iterator[Bus]:
    bus = Bus(start_guarded_nats())
    asyncio.run(fill(bus))
    yield bus
    bus.server.close()


async def fill(bus: Bus) -> None:
    """Everything is there, and in each user's reach a message that it would like to see elsewhere."""
    async with bus.login("admin") as client:
        await declare_all(client.jetstream())
    for user, subject in OWN.items():
        async with bus.login(user) as client:
            await say(client, subject, b"evil", {})
    for user in (user for user in BOUND if user != "platform"):
        async with bus.login(user) as client:
            await say(
                client, f"$KV.members.{user}.evil", json.dumps({"name": "EVIL", "subjects": ["evil"]}).encode(), {}
            )


async def say(client: Client, subject: str, data: bytes, headers: dict[str, str], *, give_up_s: float = 5) -> None:
    publisher = Publisher(client, "/x", answer_s=0.3 if give_up_s == 0 else 5)
    await publisher.start()
    await publisher.publish_raw(subject, data, headers, give_up_s=give_up_s)


async def settle(client: Client) -> None:
    """What we sent has been processed, with what followed from it: each was handed over before it was answered."""
    for _ in range(3):
        await client.request("$JS.API.INFO", b"", timeout=5)


@pytest.mark.parametrize("user", BOUND)
async def test_a_direct_attempt_is_refused_and_the_log_names_its_subject(bus: Bus, user: str) -> None:
    before = await bus.state()
    with capture_logs() as logs:
        async with bus.login(user) as client:
            for subject in (subject for one, subject in ATTEMPTS if one == user):
                await client.publish(subject, b"{}", reply=client.new_inbox())
            await settle(client)
    said = " ".join(str(line["error"]).lower() for line in logs if line["event"] == "bus_error")
    assert [
        s for one, s in ATTEMPTS if one == user and f'permissions violation for publish to "{s.lower()}"' not in said
    ] == []
    after = await bus.state()
    assert {k: (before[k], v) for k, v in after.items() if before[k] != v} == {}


@pytest.mark.parametrize("user", BOUND)
async def test_no_reply_subject_reaches_what_is_not_theirs(bus: Bus, user: str) -> None:
    """Whatever the bus answers, and whoever is asked: the answer goes no further than the asker's own rights."""
    before = await bus.state()
    rights = next(one for one in BUS_USERS if one.name == user)
    # Its checkpoints are the evaluator's own to purge.
    requests = [one for one in rights.publish if one.startswith("$JS.API.") and ".PURGE." not in one]
    async with bus.login(user) as client:
        for subject in (subject for one, subject in ATTEMPTS if one == user):
            for request in requests:
                for body in (b"", b'{"seq": 1}', b'{"batch": 1, "no_wait": true}', b'{"multi_last": [">"]}'):
                    await client.publish(request.replace("*", "x").replace(">", "x"), body, reply=subject)
                await client.publish(f"{request.removesuffix('.>')}.$KV.members.{user}.evil", b"", reply=subject)
        await settle(client)
    after = await bus.state()
    assert {k: (before[k], v) for k, v in after.items() if before[k] != v} == {}


@pytest.mark.parametrize("user", BOUND)
async def test_nobody_listens_where_they_have_no_business(bus: Bus, user: str) -> None:
    theirs = next(one for one in BUS_USERS if one.name == user).subscribe
    others = [f"_INBOX.{name}.>" for name in [*BOUND, "admin"] if name != user]
    for subject in [*others, "hc.pages.v1.>", "live.hc.pages.v1.*", "$KV.>", "$O.>", "$JS.>", ">"]:
        with capture_logs() as logs:
            async with bus.login(user) as client:
                await client.subscribe(subject)
                await settle(client)
        assert subject not in theirs
        assert [
            line
            for line in logs
            if f'permissions violation for subscription to "{subject.lower()}"' in str(line).lower()
        ]


async def test_not_even_the_admin_hears_another_ones_answers(bus: Bus) -> None:
    """It may listen to everything, but an inbox is its account's own."""
    async with bus.login("admin") as admin, bus.login("prober") as prober:
        heard = await admin.subscribe("_INBOX.>")
        await settle(admin)
        await prober.request("$JS.API.INFO", b"", timeout=5)
        subjects = []
        with contextlib.suppress(NatsError):
            while True:
                subjects.append((await heard.next_msg(timeout=0.2)).subject)
    assert not [subject for subject in subjects if subject.startswith("_INBOX.prober")]


async def test_a_control_record_on_a_probers_subject_is_none(bus: Bus) -> None:
    # given a prober that says a control record where it may speak
    async with bus.login("prober") as prober:
        for message in (TICK, MARKER):
            await say(prober, "hc.samples.v1.9.main", message.to_json(), {"ce-type": message.ce_type})
    async with bus.login("evaluator") as evaluator:
        await say(evaluator, "hc.samples.v1.9.control.owner", TICK.to_json(), {"ce-type": TICK.ce_type})
        log = JetStreamLog(evaluator, evaluator.jetstream(), Partition(9))
        # when the partition's owner reads its log
        records: list[str | None] = []
        async with contextlib.aclosing(log.read(await log.where(None))) as found:
            while len(records) < 3:
                record = await anext(found)
                records += [record.kind] if record else []
    # then only what came on the owner's own subject is one
    assert records == [
        f"{TICK.ce_type} on hc.samples.v1.9.main",
        f"{MARKER.ce_type} on hc.samples.v1.9.main",
        TICK.ce_type,
    ]


async def test_a_record_that_speaks_like_the_bus_is_a_record(bus: Bus) -> None:
    """It hides neither what comes after it nor itself, and is no control record."""
    # given a prober's record without a body, whose headers say that there is nothing more, in the owner's name
    words = {
        "Status": "404",
        "Nats-Sequence": "1",
        "Nats-Last-Sequence": "1",
        "Nats-Num-Pending": "0",
        "Nats-Subject": "hc.samples.v1.6.control.owner",
        "ce-type": TICK.ce_type,
    }
    async with bus.login("prober") as prober:
        for headers in (words, {**words, "Status": "204"}, {"ce-type": "last"}):
            await say(prober, "hc.samples.v1.6.main", b"", headers)
    async with bus.login("evaluator") as evaluator:
        # when the partition's owner reads its log
        log = JetStreamLog(evaluator, evaluator.jetstream(), Partition(6))
        async with contextlib.aclosing(log.read(await log.where(None))) as found:
            records = [await anext(found) for _ in range(3)]
    # then it reads them all, as what they are
    kind = f"{TICK.ce_type} on hc.samples.v1.6.main"
    assert [record and record.kind for record in records] == [kind, kind, "last"]


async def test_a_heartbeat_that_speaks_like_the_bus_hides_no_other(bus: Bus) -> None:
    async with bus.login("prober") as prober:
        for name, headers in (("a", {"Status": "404"}), ("b", {})):
            await say(prober, f"$KV.members.prober.{name}", b"", headers)
        found = await read_last(prober, MEMBERS.stream, "$KV.members.prober.*")
    assert {"$KV.members.prober.a", "$KV.members.prober.b"} <= {subject_of(msg) for msg in found}


@pytest.mark.parametrize("user", BOUND)
async def test_nobody_makes_a_consumer_that_delivers_to_a_foreign_subject(bus: Bus, user: str) -> None:
    async with bus.login(user) as client:
        for stream in STREAM_NAMES:
            config = {"deliver_subject": "hc.pages.v1.requested", "name": "evil", "ack_policy": "none"}
            ask = json.dumps({"stream_name": stream, "config": config}).encode()
            for request in (f"$JS.API.CONSUMER.CREATE.{stream}.evil", f"$JS.API.CONSUMER.CREATE.{stream}"):
                await client.publish(request, ask, reply=client.new_inbox())
        await settle(client)
    async with bus.login("admin") as admin:
        js = admin.jetstream()
        for stream in STREAM_NAMES:
            with pytest.raises(NotFoundError):
                await js.consumer_info(stream, "evil")


@pytest.mark.parametrize("user", [user for user in BOUND if user != "platform"])
async def test_nobody_empties_a_bucket_by_a_key_of_its_own(bus: Bus, user: str) -> None:
    before = await bus.state()
    async with bus.login(user) as client:
        for subject in (f"$KV.members.{user}.evil", f"$KV.config.answers.{user}.evil"):
            with pytest.raises(Transient, match="rollup"):
                await say(client, subject, b"{}", {"Nats-Rollup": "all"}, give_up_s=0)
    assert await bus.state() == before


async def test_nobody_keeps_a_tick_or_a_marker_out_by_saying_its_id_first(bus: Bus) -> None:
    # given a prober that has said something under the ids which the owner's next records have in the contract
    tick, marker = (record.model_copy(update={"partition": Partition(5)}) for record in (TICK, MARKER))
    async with bus.login("prober") as prober:
        for record in (tick, marker):
            await say(prober, "hc.samples.v1.5.main", b"{}", {"Nats-Msg-Id": record.msg_id})
    # when the owner says them
    async with bus.login("evaluator") as evaluator:
        publisher = Publisher(evaluator, "/x")
        await publisher.start()
        speaker = BusSpeaker(publisher)
        for record in (tick, marker):
            await speaker.say(record)
        log = JetStreamLog(evaluator, evaluator.jetstream(), Partition(5))
        async with contextlib.aclosing(log.read(await log.where(None))) as found:
            records = [await anext(found) for _ in range(4)]
    # then they are in the log
    assert [record and record.kind for record in records][2:] == [TICK.ce_type, MARKER.ce_type]
