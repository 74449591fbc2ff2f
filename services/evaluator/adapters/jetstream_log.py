"""A partition's log on JetStream: read in batches without a consumer (ADR 9), rung for by what is stored."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from services.evaluator.ports import Position, RawRecord
from shared.contracts import ConfigApplied, Tick
from shared.contracts.base import type_in
from shared.contracts.streams import LIVE, SAMPLES
from shared.kit.clock import from_ns, to_ns
from shared.kit.errors import Transient
from shared.kit.stored import behind, header, read_after, sequence_of, subject_of
from shared.values import Partition

QUIET_S: Final = 1.0
"""Without a ring for so long we look all the same, and say that there is nothing."""
AGAIN_S: Final = (0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256)
"""Pauses before we look again for what is known to be stored: the copy that answered may lag behind."""
TURN: Final = 50
"""Records after which others have their turn: a long replay must not keep us from saying that we are alive."""
PROVE_EVERY_S: Final = 5.0
"""How often we make sure that it is still the same stream."""
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
        for pause in (*AGAIN_S, 0):
            try:
                found: Any = await self._js.get_msg(SAMPLES.name, position.sequence, direct=True)
            except NotFoundError:
                await asyncio.sleep(pause)  # the copy that answered may lag behind the one that it was read from
            else:
                stamp = header(found, "Nats-Time-Stamp")
                return bool(found.subject) and _same_instant(stamp, position.record_ns)
        return False

    async def read(self, after: Position) -> AsyncGenerator[RawRecord | None, None]:
        """Yield records in order. Raises Transient on any anomaly: the caller reads on from where it was."""
        sequence = max(0, after.sequence)
        since = from_ns(after.record_ns) if after.sequence < 0 else None
        proof_due = _now() + PROVE_EVERY_S
        pauses = iter(AGAIN_S)
        async with self._doorbell() as bell:
            while True:
                batch = await self._read_after(sequence, since)
                for number, msg in enumerate(batch, 1):
                    record = _record(msg, sequence)
                    sequence = record.sequence
                    yield record
                    if number % TURN == 0:
                        await asyncio.sleep(0)
                if batch:
                    pauses = iter(AGAIN_S)
                    bell.newest = max(bell.newest, sequence + min(1, behind(batch)))
                elif bell.newest > sequence and (pause := next(pauses, None)) is not None:
                    await asyncio.sleep(pause)
                    continue
                else:
                    pauses, bell.newest = iter(AGAIN_S), 0
                    yield None
                if _now() >= proof_due:
                    await self._prove(after.log)
                    proof_due = _now() + PROVE_EVERY_S
                await bell.more_than(sequence)

    async def _read_after(self, sequence: int, since: datetime | None) -> list[Msg]:
        return await read_after(self._client, SAMPLES, sequence, since=since, subjects=self._subjects)

    async def _prove(self, log: str) -> None:
        """Raise Transient when the stream was made anew: its sequences are others than ours."""
        try:
            info = await self._js.stream_info(SAMPLES.name)
        except FAULTS as error:
            raise Transient(f"cannot look at the log: {error!r}") from error
        if info.created is None or info.created.isoformat() != log:
            raise Transient("the log was made anew")

    @property
    def _subjects(self) -> str:
        return f"hc.samples.v1.{self._partition}.>"

    @contextlib.asynccontextmanager
    async def _doorbell(self) -> AsyncIterator["_Bell"]:
        bell = _Bell()
        try:
            subscription = await self._client.subscribe(f"{LIVE}.{self._subjects}", cb=bell.ring)
        except FAULTS as error:
            raise Transient(f"log of partition {self._partition}: {error!r}") from error
        try:
            yield bell
        finally:
            with contextlib.suppress(*FAULTS):
                await subscription.unsubscribe()


class _Bell:
    """Whatever is stored rings. What was stored is then read, so that a ring may be lost, or come too early."""

    def __init__(self) -> None:
        self.newest = 0
        """A sequence that the log is known to have come to."""
        self._rung = asyncio.Event()
        self._heard = 0
        self._is_another_stream = False

    async def ring(self, msg: Msg) -> None:
        """Take one message that was said live."""
        self._is_another_stream |= sequence_of(msg) < self._heard
        self._heard = sequence_of(msg)
        self.newest = max(self.newest, self._heard)
        self._rung.set()

    async def more_than(self, sequence: int) -> None:
        """Wait until there is something newer, for a second at most.

        Raises Transient when sequences went backwards: the stream was made anew.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(QUIET_S):
                while self.newest <= sequence and not self._is_another_stream:
                    self._rung.clear()
                    await self._rung.wait()
        if self._is_another_stream:
            raise Transient("the log was made anew")


def _now() -> float:
    return asyncio.get_running_loop().time()


def _record(msg: Msg, previous: int) -> RawRecord:
    """Read a stored message. Raises Transient when another one belongs between it and the previous."""
    sequence, stamp = sequence_of(msg), header(msg, "Nats-Time-Stamp")
    if int(header(msg, "Nats-Last-Sequence") or 0) not in {0, previous} or sequence <= previous:
        raise Transient(f"record after {previous} expected, {sequence} came")
    return RawRecord(sequence, _ns(stamp), type_on(subject_of(msg), msg.headers), msg.data, behind([msg]))


def type_on(subject: str, headers: Mapping[str, str] | None) -> str | None:
    """The type a record says it has, if it may be said on this subject: a prober's word is samples and nothing else."""
    kind = type_in(headers)
    is_control = subject.count(".") == CONTROL_DOTS
    return kind if is_control is (kind in CONTROL) else f"{kind} on {subject}"


def _ns(stamp: str) -> int:
    """RFC 3339 with up to nine digits, as nanoseconds since the epoch. ValueError for anything else."""
    head, _, rest = stamp.rstrip("Z").partition(".")
    seconds = to_ns(datetime.fromisoformat(head.replace(" ", "T")).replace(tzinfo=UTC))
    return seconds + int(rest.ljust(9, "0")[:9] or 0)


def _same_instant(stamp: str, ns: int) -> bool:
    """To the microsecond."""
    try:
        return abs(_ns(stamp) - ns) < 1000  # noqa: PLR2004  # one microsecond
    except ValueError:
        return False
