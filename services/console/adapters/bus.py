"""Reading the bus: short-lived pull consumers for what is stored, a plain subscription for the samples' live tail.

Every stream is read from its own beginning again after any anomaly (a restart of the bus, a lost consumer, a gap): the
read model takes the same event twice without harm, so that there is one way to start and no second one to recover.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.js import JetStreamContext, api
from prometheus_client import Counter
from pydantic import ValidationError

from shared.contracts import BY_TYPE, Message, SampleBatch
from shared.contracts.base import type_in
from shared.contracts.streams import BREACHES, INCIDENTS, MEASUREMENTS, OPEN_SETS, RECEIPTS, Stream
from shared.kit.bus import is_alive
from shared.kit.errors import Transient
from shared.kit.logging import get_logger

log = get_logger()

READ = Counter("hypercare_console_events_total", "Events read, by type.", ["type"])
UNREADABLE = Counter(
    "hypercare_console_unreadable_total", "Messages that could not be decoded; shown nowhere.", ["type"]
)

BATCH: Final = 500
EXPIRES_S: Final = 5.0
HEARTBEAT_S: Final = 1.0
PATIENCE_S: Final = 3.0
"""Without a message or a heartbeat for so long the consumer is made anew."""
AGAIN_S: Final = 0.5
TAIL_BYTES: Final = 16 * 1024 * 1024
"""Batches waiting to be decoded; beyond, the live tail drops some: the next look at a check replaces the last."""

Take = Callable[[Message], None]


@dataclass(frozen=True)
class Source:
    """A stream, and from where on it matters to the page. `hours` None: the last message of every subject."""

    stream: Stream
    hours: float | None


SOURCES: Final = (
    Source(OPEN_SETS, None),
    # A set is restated every minute; verdicts older than it change nothing, so an hour of them is more than enough.
    Source(BREACHES, 1),
    # The last event of each kind of each incident: the newest of them is its whole state, however old it is.
    Source(INCIDENTS, None),
    Source(RECEIPTS, 7 * 24),
)
HISTORY: Final = Source(MEASUREMENTS, 1)


def decode(msg: Msg) -> Message | None:
    """Read a message; what cannot be read is counted and shown nowhere (its own service dead-letters it)."""
    name = type_in(msg.headers) or ""
    kind = BY_TYPE.get(name)
    if kind is None:
        UNREADABLE.labels("unknown").inc()
        return None
    READ.labels(name).inc()
    try:
        return kind.from_json(msg.data)
    except ValidationError as error:
        UNREADABLE.labels(name).inc()
        log.warning("message_unreadable", subject=msg.subject, type=name, reason=str(error).splitlines()[0])
        return None


class StreamReader:
    """Follows one stream for ever."""

    def __init__(
        self, client: Client, source: Source, take: Take, now: Callable[[], datetime], caught_up: Callable[[], None]
    ) -> None:
        self._client = client
        self._js: JetStreamContext = client.jetstream()
        self._source = source
        self._take = take
        self._now = now
        self._tell = caught_up
        self.is_caught_up = False
        """Whether all that was stored when we began has been read."""

    async def run(self) -> None:
        """Read, and begin again from the beginning after anything odd."""
        while True:
            try:
                await self._read()
            except (Transient, NatsError, OSError, TimeoutError) as error:
                log.info("stream_read_again", stream=self._source.stream.name, reason=str(error) or repr(error))
            await asyncio.sleep(AGAIN_S)

    async def _read(self) -> None:
        async with self._consumer() as (name, waiting), self._inbox() as inbox:
            if not waiting:
                self._caught_up()
            async for msg in self._messages(name, inbox):
                event = decode(msg)
                if event is not None:
                    self._take(event)
                if msg.metadata.num_pending == 0:
                    self._caught_up()

    def _caught_up(self) -> None:
        if not self.is_caught_up:
            self.is_caught_up = True
            self._tell()

    @contextlib.asynccontextmanager
    async def _consumer(self) -> AsyncIterator[tuple[str, int]]:
        """Make a consumer of our own that the bus forgets by itself; yields its name and how much waits."""
        name = f"console-{self._client.new_inbox().rpartition('.')[2]}"
        config = self._start_of(
            api.ConsumerConfig(
                name=name,
                ack_policy=api.AckPolicy.NONE,
                inactive_threshold=30.0,
                mem_storage=True,
                num_replicas=1,
                filter_subject=self._source.stream.subjects[0],
            )
        )
        info = await self._js.add_consumer(self._source.stream.name, config)
        try:
            yield name, info.num_pending or 0
        finally:
            if self._client.is_connected:
                with contextlib.suppress(NatsError, TimeoutError, OSError):
                    await self._js.delete_consumer(self._source.stream.name, name)

    def _start_of(self, config: api.ConsumerConfig) -> api.ConsumerConfig:
        if self._source.hours is None:
            config.deliver_policy = api.DeliverPolicy.LAST_PER_SUBJECT
        else:
            config.deliver_policy = api.DeliverPolicy.BY_START_TIME
            config.opt_start_time = self._now() - timedelta(hours=self._source.hours)
        return config

    @contextlib.asynccontextmanager
    async def _inbox(self) -> AsyncIterator[Subscription]:
        subscription = await self._client.subscribe(self._client.new_inbox())
        try:
            yield subscription
        finally:
            if not self._client.is_closed:
                with contextlib.suppress(NatsError):
                    await subscription.unsubscribe()

    async def _messages(self, consumer: str, inbox: Subscription) -> AsyncIterator[Msg]:
        """One pull after the other. Raises Transient when the consumer is gone or skipped something."""
        ask = json.dumps(
            {"batch": BATCH, "expires": int(EXPIRES_S * 1e9), "idle_heartbeat": int(HEARTBEAT_S * 1e9)}
        ).encode()
        expected = 1
        while True:
            await self._client.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{self._source.stream.name}.{consumer}", ask, reply=inbox.subject
            )
            left = BATCH
            while left:
                msg = await inbox.next_msg(timeout=PATIENCE_S)
                status = (msg.headers or {}).get("Status")
                if status == "100":
                    continue
                if status in {"404", "408"}:
                    break
                if status:
                    raise Transient(f"consumer gone: {status} {(msg.headers or {}).get('Description', '')}")
                if msg.metadata.sequence.consumer != expected:
                    raise Transient(f"gap: {msg.metadata.sequence.consumer} after {expected - 1}")
                expected, left = expected + 1, left - 1
                yield msg
                if left % 50 == 0:
                    await asyncio.sleep(0)  # a long replay lets pages be served


async def follow_samples(client: Client, take: Take) -> Subscription:
    """Hear every batch as it is published. No history: that is what measurements are for."""

    async def on_batch(msg: Msg) -> None:
        if type_in(msg.headers) != SampleBatch.ce_type:
            return
        batch = decode(msg)
        if batch is not None:
            take(batch)

    return await client.subscribe(SampleBatch.subject.wildcard, cb=on_batch, pending_bytes_limit=TAIL_BYTES)


class Hearing:
    """Whether the bus still answers us; a connection may look open and be deaf."""

    LOOK_EVERY_S: Final = 1.0

    def __init__(self, client: Client) -> None:
        self._client = client
        self.is_deaf = False

    async def look(self) -> None:
        """One real round trip."""
        self.is_deaf = not (self._client.is_connected and await is_alive(self._client, timeout=2.0))
