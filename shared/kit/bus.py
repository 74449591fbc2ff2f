"""The connection to NATS, the pipelined publisher, and the bootstrap that declares everything.

Each guard here was bought with a measured failure: no cancelled or short `flush()` (it deafens the client), a real
round trip as liveness, publishes whose every future ends, `error_cb` always set (else a missing right is a bare
time-out).
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any, Final

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.js import JetStreamContext, api
from nats.js.errors import APIError, BadRequestError, NotFoundError, ServerError

from shared.contracts.base import MSG_ID_HEADER, Message, envelope
from shared.contracts.streams import BUCKETS, CONFIG, CONSUMERS, LIVE, STREAMS, Bucket, Consumer, Stream
from shared.kit.crash_points import reached
from shared.kit.errors import Transient, Unusable
from shared.kit.health import Health
from shared.kit.logging import get_logger
from shared.kit.settings import BusSettings
from shared.kit.tls import tls_options

log = get_logger()

CONFIG_STREAM: Final = CONFIG.stream
LARGEST_VALUE: Final = 64 * 1024
"""Bytes of a message in a key-value bucket: ours have some hundreds, and a service may write as many as it likes."""

CONNECT_OPTIONS: Final[dict[str, Any]] = {
    # A server that falls silent without a word is left after four to six seconds: sooner than a prober that is
    # connected to it is missed (`prober_grace`, ten).
    "ping_interval": 2,
    "max_outstanding_pings": 2,
    "max_reconnect_attempts": -1,
    "reconnect_time_wait": 0.2,
    "connect_timeout": 2,
    "allow_reconnect": True,
}

SAY_AGAIN_S: Final = 10.0
"""How long the log hears nothing of an error that stays the same."""


def credentials(settings: BusSettings) -> dict[str, Any]:
    """User and password as nats-py wants them; nothing where the bus asks for none."""
    if settings.nats_user is None or settings.nats_password is None:
        return {}
    return {"user": settings.nats_user, "password": settings.nats_password.get_secret_value()}


def inbox_prefix(settings: BusSettings, service: str) -> str:
    """A user may only listen on its own inboxes; the admin's and an open bus's may be anything."""
    return f"_INBOX.{settings.nats_user or service}"


def in_words(error: Exception) -> str:
    """What the bus said to a connection; a login that it refuses with the settings that are to blame."""
    if "authorization" not in str(error).lower():
        return repr(error)
    return f"the bus refuses the login: HYPERCARE_NATS_USER, HYPERCARE_NATS_PASSWORD (or _FILE): {error}"


class _Errors:
    """Logs what a client reports. A bus that refuses us is tried five times a second: that is said now and then."""

    def __init__(self) -> None:
        self._said: dict[str, float] = {}

    async def say(self, error: Exception) -> None:
        now = asyncio.get_running_loop().time()
        self._said = {words: at for words, at in self._said.items() if now - at < SAY_AGAIN_S}
        if (words := in_words(error)) in self._said:
            return
        self._said[words] = now
        log.warning("bus_error", error=words)


async def _say_disconnected() -> None:
    log.warning("bus_disconnected")


async def _say_reconnected() -> None:
    log.info("bus_reconnected")


async def connect(settings: BusSettings, service: str) -> Client:
    """Connect; a service that starts before its bus waits for it, saying so in the log."""
    return await nats.connect(settings.nats_urls, **connect_options(settings, service))


def connect_options(settings: BusSettings, service: str) -> dict[str, Any]:
    """The one set of client options, for nats-py and for the broker built on it."""
    return {
        **CONNECT_OPTIONS,
        **credentials(settings),
        **tls_options(settings.nats_ca_file, settings.nats_cert_file, settings.nats_key_file),
        "name": service,
        "inbox_prefix": inbox_prefix(settings, service),
        "error_cb": _Errors().say,
        "disconnected_cb": _say_disconnected,
        "reconnected_cb": _say_reconnected,
    }


async def is_alive(client: Client, *, timeout: float = 2.0) -> bool:
    """Whether a request really makes the round trip; `is_connected` alone stays true on a deaf connection."""
    try:
        await client.request("$JS.API.INFO", b"", timeout=timeout)
    except (NatsError, OSError, TimeoutError):
        return False
    return True


async def _hears(client: Client, *, timeout: float = 2.0) -> bool:
    """Whether anything comes back at all: "nobody is here" (JetStream is starting) is an answer too."""
    try:
        await client.request("$JS.API.INFO", b"", timeout=timeout)
    except NoRespondersError:
        return True
    except (NatsError, OSError, TimeoutError):
        return False
    return True


def watch_bus(health: Health, client: Client) -> None:
    """Say when the bus is away, and ask for a restart only where one helps: of a connection that has gone deaf.

    While the bus is away a restart would throw away what is buffered, and keep the notifier from pages it can send.
    """

    async def answers() -> str | None:
        return None if await is_alive(client) else "the bus does not answer"

    async def deaf() -> str | None:
        if not client.is_connected or await _hears(client) or not client.is_connected:
            return None
        return "connected to the bus, and it does not answer"

    health.live_checks["bus"] = deaf
    health.well_checks["bus"] = answers


@dataclass(frozen=True)
class Stored:
    """The bus has it: acknowledged after it was flushed to disk."""

    stream: str
    sequence: int
    duplicate: bool


class Publisher:
    """Publishes to JetStream, many in flight; each publish ends with `Stored` or raises Transient.

    A publish that is not answered is sent again under the same `Nats-Msg-Id` until `give_up_s` has passed, so that a
    lost answer stores nothing twice.
    """

    def __init__(self, client: Client, source: str, *, window: int = 2000, answer_s: float = 1.0) -> None:
        self._client = client
        self._source = source
        self._answer_s = answer_s
        self._waiting: dict[str, asyncio.Future[Stored]] = {}
        self._window = asyncio.Semaphore(window)
        self._ids = count()
        self._prefix = ""

    async def start(self) -> None:
        """Listen for acknowledgements on an inbox of our own."""
        self._prefix = self._client.new_inbox() + "."
        await self._client.subscribe(self._prefix + "*", cb=self._on_answer)

    async def publish(
        self, message: Message, *, at: str | None = None, id_ends_in: str = "", give_up_s: float = 30.0
    ) -> Stored:
        """Publish a contract message on its own subject, under its own id and what that is to end in."""
        headers = envelope(message, self._source, at=at)
        headers[MSG_ID_HEADER] += id_ends_in
        return await self.publish_raw(message.on_subject, message.to_json(), headers, give_up_s=give_up_s)

    async def publish_raw(
        self, subject: str, data: bytes, headers: Mapping[str, str], *, give_up_s: float = 30.0
    ) -> Stored:
        """Publish bytes. Raises Transient when `give_up_s` has passed without an acknowledgement."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + give_up_s
        while True:
            try:
                return await self._once(subject, data, dict(headers))
            except (Transient, TimeoutError, NatsError, OSError) as error:
                if loop.time() >= deadline:
                    raise Transient(f"bus did not store {subject}: {error!r}") from error
                await asyncio.sleep(0.1)  # an election answers 503 at once: do not spin

    async def _once(self, subject: str, data: bytes, headers: dict[str, str]) -> Stored:
        async with self._window:
            key = str(next(self._ids))
            answer: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()
            self._waiting[key] = answer
            try:
                reached("publish.before")
                await self._client.publish(subject, data, reply=self._prefix + key, headers=headers)
                async with asyncio.timeout(self._answer_s):  # not wait_for: until 3.12 it may swallow a cancellation
                    stored = await answer
                reached("publish.after")
                return stored
            finally:
                del self._waiting[key]

    async def _on_answer(self, msg: Msg) -> None:
        answer = self._waiting.get(msg.subject.removeprefix(self._prefix))
        if answer is None or answer.done():
            return
        if not msg.data:
            answer.set_exception(Transient("no stream answers (an election, or the stream is missing)"))
            return
        said = json.loads(msg.data)
        if "error" in said:
            answer.set_exception(Transient(f"refused by the bus: {said['error'].get('description', said['error'])}"))
        else:
            answer.set_result(Stored(said["stream"], said["seq"], said.get("duplicate", False)))


async def declare_all(js: JetStreamContext, *, replicas: int = 1) -> list[str]:
    """Create or bring up to date every stream, bucket and consumer; returns what was changed, in words.

    Idempotent, and the only place that declares anything. A stream keeps its data when its limits change, and its
    copies: run by somebody who does not know of the cluster, this must not throw two of three away.
    Raises Unusable for what the bus will not make: not enough room, more copies than nodes.
    """
    try:
        return await _declare_all(js, replicas)
    except (BadRequestError, ServerError) as error:
        raise Unusable(f"the bus will not make the streams as they are declared: {error.description}") from error


async def _declare_all(js: JetStreamContext, replicas: int) -> list[str]:
    changes = [await _declare_stream(js, stream, replicas) for stream in STREAMS]
    changes += [await _declare_bucket(js, bucket, replicas) for bucket in BUCKETS]
    changes += [await _declare_consumer(js, consumer) for consumer in CONSUMERS]
    return [change for change in changes if change]


async def _declare_stream(js: JetStreamContext, stream: Stream, replicas: int) -> str | None:
    wanted = api.StreamConfig(
        name=stream.name,
        subjects=list(stream.subjects),
        description=stream.purpose,
        retention=api.RetentionPolicy.LIMITS,
        storage=api.StorageType.FILE,
        max_age=stream.max_age_s,
        max_bytes=stream.max_bytes,
        max_msgs_per_subject=stream.per_subject or -1,
        duplicate_window=stream.duplicates_s,
        num_replicas=replicas,
        allow_direct=True,
        discard=api.DiscardPolicy.OLD,
        republish=api.RePublish(src=">", dest=f"{LIVE}.>"),
    )
    try:
        info = await js.stream_info(stream.name)
    except NotFoundError:
        await js.add_stream(wanted)
        return f"stream {stream.name} created"
    wanted.num_replicas = max(replicas, info.config.num_replicas or 1)
    differs = {
        name: value
        for name, value in asdict(wanted).items()
        if value is not None and asdict(info.config).get(name) != value
    }
    if not differs:
        return None
    await js.update_stream(wanted)
    return f"stream {stream.name} brought up to date ({', '.join(differs)})"


async def _declare_bucket(js: JetStreamContext, bucket: Bucket, replicas: int) -> str | None:
    try:
        known, said = (await js.stream_info(bucket.stream)).config, None
    except NotFoundError:
        known, said = await _make_bucket(js, bucket, replicas), f"bucket {bucket.name} created"
    # One message with `Nats-Rollup: all` on a key of one's own would empty a whole bucket. Only objects are made by it.
    wanted: dict[str, Any] = {"num_replicas": max(replicas, known.num_replicas or 1)}
    if not bucket.is_objects:
        wanted |= {"allow_rollup_hdrs": False, "max_msg_size": LARGEST_VALUE, "max_bytes": bucket.max_bytes}
        wanted |= {"max_age": bucket.max_age_s, "discard": "old" if bucket.max_age_s else "new"}
    differs = {name: value for name, value in wanted.items() if (getattr(known, name) or False) != value}
    if differs:
        await js.update_stream(known, **differs)
        said = said or f"bucket {bucket.name} brought up to date ({', '.join(differs)})"
    return said


async def _make_bucket(js: JetStreamContext, bucket: Bucket, replicas: int) -> api.StreamConfig:
    if bucket.is_objects:
        await js.create_object_store(bucket.name, api.ObjectStoreConfig(description=bucket.purpose, replicas=replicas))
    else:
        await js.create_key_value(
            api.KeyValueConfig(
                bucket=bucket.name, description=bucket.purpose, history=bucket.history, replicas=replicas, direct=True
            )
        )
    return (await js.stream_info(bucket.stream)).config


async def _declare_consumer(js: JetStreamContext, consumer: Consumer) -> str | None:
    known = None
    with contextlib.suppress(NotFoundError):
        known = (await js.consumer_info(consumer.stream, consumer.durable)).config
        if (known.ack_wait, known.max_ack_pending) == (consumer.ack_wait_s, consumer.max_ack_pending):
            return None
    await js.add_consumer(
        consumer.stream,
        api.ConsumerConfig(
            durable_name=consumer.durable,
            filter_subjects=list(consumer.filters) if len(consumer.filters) > 1 else None,
            filter_subject=consumer.filters[0] if len(consumer.filters) == 1 else None,
            deliver_policy=api.DeliverPolicy.ALL,
            ack_policy=api.AckPolicy.EXPLICIT,
            ack_wait=consumer.ack_wait_s,
            max_ack_pending=consumer.max_ack_pending,
            max_deliver=-1,
        ),
    )
    return f"consumer {consumer.durable} {'brought up to date' if known else 'created'}"


async def require_declared(js: JetStreamContext) -> None:
    """Raise Unusable, with the way out, when the bootstrap has not run."""
    try:
        await js.stream_info(CONFIG_STREAM)
    except NotFoundError as error:
        raise Unusable("the bus has no streams yet; run `hypercare migrate` first") from error
    except APIError as error:
        raise Transient(f"the bus does not answer: {error}") from error


@contextlib.asynccontextmanager
async def connected(settings: BusSettings, service: str) -> AsyncIterator[Client]:
    """A connection that is closed, its last publishes flushed, when the block ends."""
    client = await connect(settings, service)
    try:
        yield client
    finally:
        with contextlib.suppress(NatsError, OSError):
            await client.close()
