"""Several messages of a real bus in hand at once."""

import asyncio

from shared.contracts import BreachOpened, Message
from shared.contracts.streams import INCIDENTS_BREACHES
from shared.kit.broker import Settler, build_broker, subscribe
from shared.kit.clock import SystemClock
from shared.kit.crew import Crew
from shared.kit.health import Health
from tests.integration.kit.conftest import Bus
from tests.integration.kit.test_broker import BREACH, settled, until

AT_ONCE = 3


class Yard:
    """What has been begun, and a gate before the end of each."""

    def __init__(self, bus: Bus) -> None:
        self.begun: list[str] = []
        self.finished = 0
        self.gate = asyncio.Event()
        self.crew = Crew(AT_ONCE)
        self.broker = build_broker(bus.settings, "incidents")
        settler = Settler(INCIDENTS_BREACHES, lambda: bus.publisher, Health(), SystemClock())
        subscribe(self.broker, INCIDENTS_BREACHES, settler, {BreachOpened: self._handle}, self.crew)

    async def _handle(self, message: Message) -> None:
        assert isinstance(message, BreachOpened)
        self.begun.append(message.event_id)
        await self.gate.wait()
        self.finished += 1

    async def has_begun(self, count: int) -> bool:
        return len(self.begun) == count

    async def stop(self) -> None:
        for subscriber in self.broker.subscribers:
            await subscriber.stop()
        await self.crew.drain(10)


async def _publish(bus: Bus, count: int) -> list[str]:
    names = [f"breach-{number}" for number in range(count)]
    for name in names:
        await bus.publisher.publish(BREACH.model_copy(update={"event_id": name}))
    return names


async def test_they_are_begun_in_their_order_and_no_more_than_there_are_hands(declared: Bus) -> None:
    names = await _publish(declared, 10)
    yard = Yard(declared)
    await yard.broker.start()

    await until(lambda: yard.has_begun(AT_ONCE))
    assert yard.begun == names[:AT_ONCE]

    yard.gate.set()
    await until(lambda: settled(declared))
    assert yard.begun == names
    await yard.broker.stop()


async def test_what_is_in_hand_at_a_stop_is_finished_and_acknowledged(declared: Bus) -> None:
    await _publish(declared, AT_ONCE)
    yard = Yard(declared)
    await yard.broker.start()
    await until(lambda: yard.has_begun(AT_ONCE))

    async with asyncio.TaskGroup() as both:
        both.create_task(yard.stop())
        both.create_task(_open_soon(yard))

    assert yard.finished == AT_ONCE
    await until(lambda: settled(declared))
    await yard.broker.stop()


async def _open_soon(yard: Yard) -> None:
    """Once the crew is being waited for."""
    await asyncio.sleep(0)
    yard.gate.set()


async def test_whoever_cannot_settle_does_not_stop_the_others() -> None:
    crew, done = Crew(1), asyncio.Event()

    async def fail() -> None:
        raise OSError("the bus is away")

    async def work() -> None:
        done.set()

    await crew.begin(fail())
    await crew.begin(work())
    await crew.drain(10)

    assert done.is_set()
