"""Reading the bus: batches of what is stored, rung for by the live subjects; these alone for the samples.

No consumer: the console may not make one (ADR 9), and a position of our own is all it takes. Every stream is read from
its own beginning again after any anomaly: the read model takes the same event twice without harm, so that there is one
way to start and no second one to recover.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from prometheus_client import Counter
from pydantic import ValidationError

from shared.contracts import BY_TYPE, Message, SampleBatch
from shared.contracts.base import type_in
from shared.contracts.streams import BREACHES, INCIDENTS, MEASUREMENTS, OPEN_SETS, RECEIPTS, SAMPLES, Stream
from shared.kit.bus import is_alive
from shared.kit.errors import Transient
from shared.kit.logging import get_logger
from shared.kit.stored import behind, read_after, sequence_of, subject_of

log = get_logger()

READ = Counter("hypercare_console_events_total", "Events read, by type.", ["type"])
UNREADABLE = Counter(
    "hypercare_console_unreadable_total", "Messages that could not be decoded; shown nowhere.", ["type"]
)

LOOK_EVERY_S: Final = 2.0
"""Without a ring for so long we look all the same."""
LAG_S: Final = 0.05
"""How long a server of a cluster may be behind the one that rang."""
AGAIN_S: Final = 0.5
TAIL_BYTES: Final = 16 * 1024 * 1024
"""Batches waiting to be decoded; beyond, the live tail drops some: the next look at a check replaces the last."""

Take = Callable[[Message], None]


@dataclass(frozen=True)
class Source:
    """A stream, and from where on it matters to the page. `hours` None: all that is kept."""

    stream: Stream
    hours: float | None


SOURCES: Final = (
    Source(OPEN_SETS, None),
    # A set is restated every minute; verdicts older than it change nothing, so an hour of them is more than enough.
    Source(BREACHES, 1),
    # The newest event of an incident is its whole state, however old it is.
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
        log.warning(
            "message_unreadable",
            subject=subject_of(msg),
            type=name,
            reason=str(error).splitlines()[0],
        )
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
        self._rung = asyncio.Event()
        self._heard = 0
        """The newest sequence that was said live."""
        self.is_caught_up = False
        """Whether all that was stored when we began has been read."""

    async def run(self) -> None:
        """Read, and begin again from the beginning after anything odd."""
        async with self._doorbell():
            while True:
                try:
                    await self._read()
                except (Transient, NatsError, OSError, TimeoutError) as error:
                    log.info("stream_read_again", stream=self._source.stream.name, reason=str(error) or repr(error))
                await asyncio.sleep(AGAIN_S)

    @contextlib.asynccontextmanager
    async def _doorbell(self) -> AsyncIterator[None]:
        """Whatever is stored rings; what was stored is then read, so that a ring may be lost."""

        async def ring(msg: Msg) -> None:
            self._heard = sequence_of(msg)
            self._rung.set()

        subscription = await self._client.subscribe(self._source.stream.live, cb=ring, pending_bytes_limit=TAIL_BYTES)
        try:
            yield
        finally:
            if not self._client.is_closed:
                with contextlib.suppress(NatsError):
                    await subscription.unsubscribe()

    async def _read(self) -> None:
        """Read what is there and what comes. Raises Transient when the stream is another one than before."""
        created = (await self._js.stream_info(self._source.stream.name)).created
        since = None if self._source.hours is None else self._now() - timedelta(hours=self._source.hours)
        after = 0
        while True:
            self._rung.clear()
            batch = await read_after(self._client, self._source.stream, after, since=since)
            for msg in batch:
                event = decode(msg)
                if event is not None:
                    self._take(event)
            after = sequence_of(batch[-1]) if batch else after
            if behind(batch):
                await asyncio.sleep(0)  # a long replay lets pages be served
                continue
            self._caught_up()
            if (
                not await self._is_rung(after)
                and created != (await self._js.stream_info(self._source.stream.name)).created
            ):
                raise Transient("the stream was made anew")

    async def _is_rung(self, after: int) -> bool:
        """Wait for something new; not for long when we were answered by a server that has not stored it yet."""
        patience_s = LOOK_EVERY_S if self._heard <= after else LAG_S
        self._heard = after
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                return await self._rung.wait()
        return patience_s == LAG_S

    def _caught_up(self) -> None:
        if not self.is_caught_up:
            self.is_caught_up = True
            self._tell()


async def follow_samples(client: Client, take: Take) -> Subscription:
    """Hear every batch as it is published. No history: that is what measurements are for."""

    async def on_batch(msg: Msg) -> None:
        if type_in(msg.headers) != SampleBatch.ce_type:
            return
        batch = decode(msg)
        if batch is not None:
            take(batch)

    return await client.subscribe(SAMPLES.live, cb=on_batch, pending_bytes_limit=TAIL_BYTES)


class Hearing:
    """Whether the bus still answers us; a connection may look open and be deaf."""

    LOOK_EVERY_S: Final = 1.0

    def __init__(self, client: Client) -> None:
        self._client = client
        self.is_deaf = False

    async def look(self) -> None:
        """One real round trip."""
        self.is_deaf = not (self._client.is_connected and await is_alive(self._client, timeout=2.0))
