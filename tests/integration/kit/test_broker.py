"""The outcome table on a real bus: what becomes of a message for each way a handler can end."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Self

import pytest
from nats.js.api import StreamInfo

from shared.contracts import BreachOpened, DeadLetter, Message, envelope
from shared.contracts.streams import DEAD, INCIDENTS_BREACHES
from shared.kit.broker import Settler, build_broker, subscribe
from shared.kit.bus import Publisher, declare_all
from shared.kit.clock import SystemClock
from shared.kit.errors import Permanent, Transient, Unusable
from shared.kit.health import Health
from tests.contract.messages.examples import EXAMPLES
from tests.integration.kit.conftest import Bus

BREACH = next(example for example in EXAMPLES if type(example) is BreachOpened)


class Receiver:
    """A service's edge with one handler; the test says how the handler ends, delivery by delivery."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.health = Health()
        self.endings: list[Exception | None] = []
        self.seen = 0
        self.done = asyncio.Event()
        self._broker = build_broker(bus.settings, "incidents")

    async def handle(self, _: Message) -> None:
        self.seen += 1
        ending = self.endings.pop(0) if self.endings else None
        if ending is not None:
            raise ending
        self.done.set()

    async def __aenter__(self) -> Self:
        publisher = self.bus.publisher
        settler = Settler(INCIDENTS_BREACHES, lambda: publisher, self.health, SystemClock())
        subscribe(self._broker, INCIDENTS_BREACHES, settler, {BreachOpened: self.handle})
        await self._broker.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._broker.stop()


async def until(is_true: Callable[[], Awaitable[bool]], limit_s: float = 20.0) -> None:
    async with asyncio.timeout(limit_s):
        while not await is_true():
            await asyncio.sleep(0.01)


async def pending(bus: Bus) -> int:
    info = await bus.js.consumer_info(INCIDENTS_BREACHES.stream, INCIDENTS_BREACHES.durable)
    return (info.num_pending or 0) + (info.num_ack_pending or 0)


async def settled(bus: Bus) -> bool:
    return await pending(bus) == 0


async def test_a_handler_that_returns_acknowledges(declared: Bus) -> None:
    async with Receiver(declared) as receiver:
        await declared.publisher.publish(BREACH)
        await asyncio.wait_for(receiver.done.wait(), 20)
        await until(lambda: settled(declared))
        assert receiver.seen == 1


async def test_a_transient_fault_is_tried_again_after_its_delay_until_it_passes(declared: Bus) -> None:
    async with Receiver(declared) as receiver:
        receiver.endings = [Transient("database away", retry_in=timedelta(milliseconds=50))] * 3
        await declared.publisher.publish(BREACH)
        await asyncio.wait_for(receiver.done.wait(), 20)
        await until(lambda: settled(declared))
        assert receiver.seen == 4
        assert not receiver.health.problems


async def test_our_own_bug_is_told_until_it_passes_and_loses_nothing(declared: Bus) -> None:
    async with Receiver(declared) as receiver:
        receiver.endings = [ZeroDivisionError("ours")]
        await declared.publisher.publish(BREACH)

        async def is_told() -> bool:
            return bool(receiver.health.problems)

        await until(is_told)
        await asyncio.wait_for(receiver.done.wait(), 20)
        await until(lambda: settled(declared))
        assert receiver.seen == 2
        assert not receiver.health.problems


async def letters(bus: Bus) -> list[DeadLetter]:
    info: StreamInfo = await bus.js.stream_info(DEAD.name)
    found = []
    for sequence in range(1, info.state.messages + 1):
        message = await bus.js.get_msg(DEAD.name, sequence)
        found.append(DeadLetter.from_json(message.data or b""))
    return found


@pytest.mark.parametrize(
    ("headers", "body", "words"),
    [
        ({}, b"{}", "unknown message type None"),
        ({"ce-type": "hypercare.breach.opened.v99"}, b"{}", "unknown message type"),
        (envelope(BREACH, "/x"), b"not json", "cannot be decoded"),
        (envelope(BREACH, "/x"), b"\xff\xfe", "cannot be decoded"),
    ],
)
async def test_what_cannot_be_decoded_goes_to_the_dead_letters_whole(
    declared: Bus, headers: dict[str, str], body: bytes, words: str
) -> None:
    async with Receiver(declared) as receiver:
        await declared.publisher.publish_raw(BREACH.on_subject, body, headers)
        await until(lambda: settled(declared))
        [letter] = await letters(declared)
        assert words in letter.reason
        assert bytes(letter.body) == body
        assert receiver.seen == 0


async def test_a_permanent_fault_is_buried_once_and_the_next_message_is_handled(declared: Bus) -> None:
    async with Receiver(declared) as receiver:
        receiver.endings = [Permanent("unknown service")]
        await declared.publisher.publish(BREACH)
        await declared.publisher.publish(BREACH.model_copy(update={"event_id": "another"}))
        await asyncio.wait_for(receiver.done.wait(), 20)
        await until(lambda: settled(declared))
        assert [letter.reason for letter in await letters(declared)] == ["unknown service"]
        assert receiver.seen == 2


async def test_a_receiver_goes_on_after_the_bus_was_killed_and_came_back(declared: Bus) -> None:
    async with Receiver(declared) as receiver:
        declared.server.kill()
        declared.server.start()
        await declared.publisher.publish(BREACH)
        await asyncio.wait_for(receiver.done.wait(), 30)
        await until(lambda: settled(declared))


async def test_publishing_twice_stores_once_and_declaring_twice_changes_nothing(declared: Bus) -> None:
    first = await declared.publisher.publish(BREACH)
    second = await declared.publisher.publish(BREACH)
    assert (first.sequence, first.duplicate, second.sequence, second.duplicate) == (1, False, 1, True)
    assert await declare_all(declared.js) == []


async def test_a_consumer_declared_by_an_older_version_is_brought_up_to_date(declared: Bus) -> None:
    consumer = INCIDENTS_BREACHES
    old = (await declared.js.consumer_info(consumer.stream, consumer.durable)).config
    old.ack_wait = 99
    await declared.js.add_consumer(consumer.stream, old)
    assert await declare_all(declared.js) == [f"consumer {consumer.durable} brought up to date"]
    mended = (await declared.js.consumer_info(consumer.stream, consumer.durable)).config
    assert mended.ack_wait == consumer.ack_wait_s


async def test_more_copies_than_there_are_nodes_are_refused_in_words(declared: Bus) -> None:
    with pytest.raises(Unusable, match="the bus will not make the streams as they are declared: replicas > 1"):
        await declare_all(declared.js, replicas=3)


async def test_a_publish_to_no_stream_ends_with_words_and_does_not_hang(declared: Bus) -> None:
    publisher: Publisher = declared.publisher
    with pytest.raises(Transient, match="no stream answers"):
        await publisher.publish_raw("nowhere.at.all", b"{}", {}, give_up_s=0.2)
