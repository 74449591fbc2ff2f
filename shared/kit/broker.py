"""The only place that builds a broker and settles what becomes of a message.

FastStream's defaults lose a message when its handler raises, or retry it 1,500 times a second. Here a handler ends in
one of four ways, and one table says what that means for the message:

| a handler ends with | settled as |
|---|---|
| return | ack |
| Transient | nak with back-off and jitter (or the error's own `retry_in`), for as long as it takes |
| Permanent, or data that cannot be decoded | copied to the dead letters with the reason, then term |
| any other exception: our bug | traceback, told by /readyz, nak with growing delay; dead letters after a day |
"""

import asyncio
import base64
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, Final

import anyio._backends._asyncio  # noqa: F401  # the framework would load it with the first message: 15 ms of a page
import structlog
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsMessage, PullSub
from faststream.nats.security import NatsSecurity, NatsUserPassword
from nats.aio.msg import Msg
from pydantic import ValidationError

from shared.contracts import BY_TYPE, DeadLetter, Message
from shared.contracts.base import type_in
from shared.contracts.streams import Consumer
from shared.kit.bus import Publisher, connect_options
from shared.kit.clock import Clock
from shared.kit.crash_points import reached
from shared.kit.crew import Crew
from shared.kit.errors import Permanent, Transient
from shared.kit.health import Health
from shared.kit.logging import get_logger
from shared.kit.metrics import HANDLED
from shared.kit.settings import BusSettings

log = get_logger()

Handler = Callable[[Message], Awaitable[None]]

FIRST_DELAY_S: Final = 0.2
LONGEST_DELAY_S: Final = 30.0
BUG_IS_DEAD_AFTER: Final = timedelta(days=1)


def build_broker(settings: BusSettings, service: str) -> NatsBroker:
    """A FastStream broker on the one set of client options. Nothing it does declares a stream."""
    options = connect_options(settings, service)
    user, password = options.pop("user", None), options.pop("password", None)
    tls: dict[str, Any] = {
        "ssl_context": options.pop("tls", None),
        "tls_handshake_first": options.pop("tls_handshake_first", False),
    }
    security = NatsUserPassword(username=user, password=password, **tls) if user else NatsSecurity(**tls)
    return NatsBroker(settings.nats_urls, security=security, logger=None, graceful_timeout=8.0, **options)


def backoff_s(delivery: int) -> float:
    """Seconds before the next delivery: 0.2, 0.4, 0.8 … 30, each with up to half as much jitter on top."""
    base = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(delivery - 1, 12))
    return base * (1 + random.random() / 2)  # noqa: S311  # jitter, not a secret


class Settler:
    """Runs a handler on a raw message and settles it by the outcome table."""

    def __init__(self, consumer: Consumer, publisher: Callable[[], Publisher], health: Health, clock: Clock) -> None:
        self._consumer = consumer
        self._publisher = publisher
        self._health = health
        self._clock = clock

    async def settle(self, msg: Msg, handlers: Mapping[type[Message], Handler]) -> None:
        """Decode, handle, and acknowledge, delay or bury the message."""
        meta = msg.metadata
        structlog.contextvars.bind_contextvars(
            subject=msg.subject, stream_seq=meta.sequence.stream, delivery=meta.num_delivered
        )
        try:
            await self._handle(msg, handlers)
        except Transient as error:
            delay = error.retry_in.total_seconds() if error.retry_in else backoff_s(meta.num_delivered)
            self._count("transient")
            log.warning("message_delayed", reason=error.reason, delay_s=round(delay, 2))
            await msg.nak(delay=delay)
        except Permanent as error:
            await self._bury(msg, error.reason)
        except Exception as error:  # noqa: BLE001  # the table's last row: nothing may escape to the framework
            await self._our_bug(msg, error)
        else:
            self._count("done")
            self._health.recovered(self._bug_name)
            reached("ack.before")
            await msg.ack()
            reached("ack.after")
        finally:
            structlog.contextvars.unbind_contextvars("subject", "stream_seq", "delivery")

    @staticmethod
    async def _handle(msg: Msg, handlers: Mapping[type[Message], Handler]) -> None:
        message = decode(msg.header, msg.data)
        handler = handlers.get(type(message))
        if handler is not None:  # a kind this service has no use for is done at once
            await handler(message)

    async def _bury(self, msg: Msg, reason: str) -> None:
        meta = msg.metadata
        letter = DeadLetter(
            stream=self._consumer.stream,
            consumer=self._consumer.durable,
            original_subject=msg.subject,
            original_sequence=meta.sequence.stream,
            headers=dict(msg.header or {}),
            body=base64.b64encode(msg.data),
            reason=reason,
            deliveries=meta.num_delivered,
            at=self._clock.now(),
        )
        try:
            await self._publisher().publish(letter, give_up_s=5.0)
        except Transient as error:
            # Never drop what could not be buried: it comes again.
            log.warning("dead_letter_delayed", reason=error.reason)
            await msg.nak(delay=backoff_s(meta.num_delivered))
            return
        self._count("dead")
        log.error("message_dead", reason=reason)
        await msg.term()

    async def _our_bug(self, msg: Msg, error: Exception) -> None:
        meta = msg.metadata
        self._count("bug")
        log.error("handler_failed", error=repr(error), exc_info=error)
        self._health.broken(self._bug_name, f"{type(error).__name__} while handling {msg.subject}")
        if self._clock.now() - meta.timestamp > BUG_IS_DEAD_AFTER:
            await self._bury(msg, f"our own error for a day: {error!r}")
        else:
            await msg.nak(delay=backoff_s(meta.num_delivered))

    @property
    def _bug_name(self) -> str:
        return f"handler:{self._consumer.durable}"

    def _count(self, outcome: str) -> None:
        HANDLED.labels(consumer=self._consumer.durable, outcome=outcome).inc()


def decode(headers: Mapping[str, str] | None, data: bytes) -> Message:
    """Turn a raw message into its contract class. Raises Permanent for an unknown type or undecodable data."""
    kind = type_in(headers)
    cls = BY_TYPE.get(kind or "")
    if cls is None:
        raise Permanent(f"unknown message type {kind!r}")
    try:
        return cls.from_json(data)
    except ValidationError as error:
        raise Permanent(
            f"cannot be decoded as {kind}: {error.error_count()} errors, first: {error.errors()[0]['msg']}"
        ) from error


async def _raw(message: NatsMessage) -> bytes:
    """No decoding inside the framework: a bad payload would be dropped before our table sees it."""
    return message.body


def subscribe(
    broker: NatsBroker,
    consumer: Consumer,
    settler: Settler,
    handlers: Mapping[type[Message], Handler],
    crew: Crew | None = None,
) -> None:
    """Attach handlers to a declared durable consumer: pull, settled by us; one at a time, or as many as a crew takes.

    Whoever gives a crew drains it once the subscription has stopped.
    """

    @broker.subscriber(
        consumer.filters[0],
        stream=JStream(consumer.stream, declare=False),
        durable=consumer.durable,
        pull_sub=PullSub(timeout=1.0),
        ack_policy=AckPolicy.MANUAL,
        decoder=_raw,
        inbox_prefix=inbox_of(broker),
    )
    async def receive(_body: bytes) -> None:
        message: Any = broker.context.get_local("message")
        work = settler.settle(message.raw_message, handlers)
        await (crew.begin(work) if crew else work)


async def stop_taking(broker: NatsBroker, crew: Crew, within_s: float) -> None:
    """Take no more messages, and let those at hand be finished; the database and the bus are still open."""
    for subscriber in broker.subscribers:
        await subscriber.stop()
    await crew.drain(within_s)


def inbox_of(broker: NatsBroker) -> bytes:
    """The inbox prefix of the broker's own user: a pull subscription has to be told again."""
    prefix: str = broker._connection_kwargs["inbox_prefix"]  # noqa: SLF001  # the framework keeps no public copy
    return f"{prefix}.".encode()


async def ignore(_: Message) -> None:
    """A handler for what is known and needs nothing done."""
    await asyncio.sleep(0)
