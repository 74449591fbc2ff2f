"""A partition's log on JetStream: a short-lived pull consumer, contiguous or made anew."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext, api
from nats.js.errors import NotFoundError

from services.evaluator.ports import Position, RawRecord
from shared.contracts import ConfigApplied, Tick
from shared.contracts.base import type_in
from shared.contracts.streams import SAMPLES
from shared.kit.clock import from_ns, to_ns
from shared.kit.errors import Transient
from shared.kit.ids import start_nonce
from shared.values import Partition

BATCH: Final = 500
EXPIRES_S: Final = 1.0
SILENT_S: Final = 3.0
"""A pull that ended neither with messages nor with a status for this long is lost."""
SHORT_REPLY: Final = 9
"""Tokens of a reply subject without a domain."""
CONTROL: Final = frozenset({Tick.ce_type, ConfigApplied.ce_type})
CONTROL_DOTS: Final = Tick.subject.template.count(".")
FAULTS: Final = (NatsError, OSError, TimeoutError)


class JetStreamLog:
    """Reads `hc.samples.v1.<partition>.>`; acknowledges nothing, so that reading changes nothing."""

    def __init__(self, client: Client, js: JetStreamContext, partition: Partition) -> None:
        self._client = client
        self._js = js
        self._partition = partition

    async def where(self, position: Position | None) -> Position:
        """Prove a position against the stream; what does not prove true is resumed by time."""
        try:
            info = await self._js.stream_info(SAMPLES.name)
            created = info.created.isoformat() if info.created else ""
            if position is None or position.sequence == 0:
                return Position(created, 0, 0)
            if position.log == created and await self._is_there(position, info.state.first_seq):
                return position
        except FAULTS as error:
            raise Transient(f"cannot look at the log: {error!r}") from error
        return Position(created, -1, position.record_ns)

    async def _is_there(self, position: Position, first: int) -> bool:
        if position.sequence < first:
            return True  # aged out: the records after it are still in order
        try:
            found: Any = await self._js.get_msg(SAMPLES.name, position.sequence, direct=True)
        except NotFoundError:
            return False
        stamp = (found.headers or {}).get("Nats-Time-Stamp", "")
        return bool(found.subject) and _same_instant(stamp, position.record_ns)

    async def read(self, after: Position) -> AsyncGenerator[RawRecord | None, None]:
        """Yield records in order. Raises Transient on any anomaly: the caller reads on from where it was."""
        inbox = self._client.new_inbox()
        queue: asyncio.Queue[Msg] = asyncio.Queue()
        subscription = await self._client.subscribe(inbox, cb=queue.put)
        name = f"log-{self._partition}-{start_nonce()}"
        try:
            if not await self._create(name, after):
                yield None  # nothing there yet: say so now rather than when the first pull expires
            async for record in _Pulls(self._client, name, inbox, queue):
                yield record
        except FAULTS as error:
            raise Transient(f"log of partition {self._partition}: {error!r}") from error
        finally:
            with contextlib.suppress(*FAULTS):  # without waiting for an answer: the bus may be away
                await self._client.publish(f"$JS.API.CONSUMER.DELETE.{SAMPLES.name}.{name}", b"", reply=inbox)
                await subscription.unsubscribe()

    async def _create(self, name: str, after: Position) -> int:
        """Make the consumer; returns how many records wait for it."""
        by_time = after.sequence < 0
        info = await self._js.add_consumer(
            SAMPLES.name,
            api.ConsumerConfig(
                name=name,
                filter_subject=f"hc.samples.v1.{self._partition}.>",
                deliver_policy=api.DeliverPolicy.BY_START_TIME if by_time else api.DeliverPolicy.BY_START_SEQUENCE,
                opt_start_seq=None if by_time else after.sequence + 1,
                opt_start_time=from_ns(after.record_ns).isoformat() if by_time else None,  # type: ignore[arg-type]  # JSON
                ack_policy=api.AckPolicy.NONE,
                inactive_threshold=30.0,
                mem_storage=True,
                num_replicas=1,
            ),
        )
        return info.num_pending or 0


class _Pulls:
    """Keeps one pull request open on a consumer and checks that nothing is skipped."""

    def __init__(self, client: Client, name: str, inbox: str, queue: "asyncio.Queue[Msg]") -> None:
        self._client = client
        self._next_subject = f"$JS.API.CONSUMER.MSG.NEXT.{SAMPLES.name}.{name}"
        self._inbox = inbox
        self._queue = queue
        self._expected = 1
        self._open = 0
        """Messages the open pull may still bring; 0: ask again."""

    async def __aiter__(self) -> AsyncGenerator[RawRecord | None, None]:
        while True:
            if self._open == 0:
                await self._ask()
            # Without a timer and a task for each message where several are there already: three times the speed.
            msg = await self._wait() if self._queue.empty() else self._queue.get_nowait()
            status = (msg.headers or {}).get("Status")
            if status is not None:
                self._end_of_pull(status, (msg.headers or {}).get("Description", ""))
                yield None
                continue
            yield self._record(msg)

    async def _wait(self) -> Msg:
        try:
            async with asyncio.timeout(SILENT_S):
                return await self._queue.get()
        except TimeoutError:
            raise Transient("a pull was lost") from None

    async def _ask(self) -> None:
        ask = {"batch": BATCH, "expires": int(EXPIRES_S * 1e9)}
        await self._client.publish(self._next_subject, json.dumps(ask).encode(), reply=self._inbox)
        self._open = BATCH

    def _end_of_pull(self, status: str, why: str) -> None:
        if status not in {"404", "408"}:  # 409: deleted, leader change; 503: nobody there
            raise Transient(f"the pull ended with {status} {why}")
        self._open = 0

    def _record(self, msg: Msg) -> RawRecord:
        place = _place(msg.reply)
        if place.delivery != self._expected:
            raise Transient(f"record {self._expected} expected, {place.delivery} came")
        self._expected += 1
        self._open -= 1
        return RawRecord(place.sequence, place.time_ns, type_on(msg.subject, msg.headers), msg.data, place.behind)


def type_on(subject: str, headers: Mapping[str, str] | None) -> str | None:
    """The type a record says it has, if it may be said on this subject: a prober's word is samples and nothing else."""
    kind = type_in(headers)
    is_control = subject.count(".") == CONTROL_DOTS
    return kind if is_control is (kind in CONTROL) else f"{kind} on {subject}"


class _Place(NamedTuple):
    sequence: int
    delivery: int
    """The how-manieth message of this consumer."""
    time_ns: int
    behind: int


def _place(reply: str) -> _Place:
    """Read `$JS.ACK.[domain.account.]stream.consumer.deliveries.sequence.delivery.time.pending[.random]`.

    nats-py's own reading cuts the time to microseconds.
    """
    tokens = reply.split(".")
    first = 5 if len(tokens) == SHORT_REPLY else 7
    sequence, delivery, time_ns, behind = (int(token) for token in tokens[first : first + 4])
    return _Place(sequence, delivery, time_ns, behind)


def _same_instant(stamp: str, ns: int) -> bool:
    """Compare RFC 3339 with up to nine digits to nanoseconds, to the microsecond."""
    head, _, rest = stamp.rstrip("Z").partition(".")
    try:
        seconds = to_ns(datetime.fromisoformat(head.replace(" ", "T")).replace(tzinfo=UTC))
    except ValueError:
        return False
    return abs(seconds + int(rest.ljust(9, "0")[:9] or 0) - ns) < 1000  # noqa: PLR2004  # one microsecond
