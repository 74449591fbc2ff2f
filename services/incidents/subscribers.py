"""Messages in: each becomes one handler call, settled by the one outcome table."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from faststream.nats import NatsBroker

from services.incidents.domain.scope import scope_of
from services.incidents.handlers import Handlers
from shared.contracts import BreachChanged, BreachCleared, BreachEvent, BreachOpened, Message, OpenSet, PageReceipt
from shared.contracts.streams import INCIDENTS_BREACHES, INCIDENTS_OPEN_SETS, INCIDENTS_RECEIPTS, Consumer
from shared.kit.broker import Handler, Settler, subscribe
from shared.kit.crew import Crew
from shared.kit.in_step import InStep
from shared.kit.lanes import Lanes

M = TypeVar("M", bound=Message)
B = TypeVar("B", bound=BreachEvent)


def attach(
    broker: NatsBroker,
    settler_of: Callable[[Consumer], Settler],
    handlers: Handlers,
    crew: Crew,
    in_step: InStep,
) -> None:
    """Subscribe to breaches, open sets and receipts.

    Most of a breach's time is waiting for the database, so the crew takes several side by side. Those of one scope
    keep their order: nothing depends on it (see `domain.verdicts`), but a breach whose end is taken before its
    beginning opens no incident that anybody could read.

    What was made under a revision that this replica has not looked at yet goes back for a moment. An end does not: it
    pages nobody.
    """
    lanes = Lanes()
    breaches: dict[type[Message], Handler] = {
        BreachOpened: in_step.before(_for(BreachOpened, _in_lane(lanes, handlers.breach_opened))),
        BreachChanged: in_step.before(_for(BreachChanged, _in_lane(lanes, handlers.breach_opened))),
        BreachCleared: _for(BreachCleared, _in_lane(lanes, handlers.breach_cleared)),
    }
    subscribe(broker, INCIDENTS_BREACHES, settler_of(INCIDENTS_BREACHES), breaches, crew)
    others: dict[Consumer, dict[type[Message], Handler]] = {
        INCIDENTS_OPEN_SETS: {OpenSet: in_step.before(_for(OpenSet, handlers.open_set_came))},
        INCIDENTS_RECEIPTS: {PageReceipt: in_step.before(_for(PageReceipt, handlers.receipt_came))},
    }
    for consumer, by_type in others.items():
        subscribe(broker, consumer, settler_of(consumer), by_type)


def _in_lane(lanes: Lanes, handler: Callable[[B], Awaitable[None]]) -> Callable[[B], Awaitable[None]]:
    async def handle(event: B) -> None:
        async with lanes.alone_in(scope_of(event.service, event.key).text):
            await handler(event)

    return handle


def _for(kind: type[M], handler: Callable[[M], Awaitable[None]]) -> Handler:
    """Give a handler of one kind the type that the table has."""

    async def handle(message: Message) -> None:
        if not isinstance(message, kind):
            raise TypeError(f"{type(message).__name__} is not {kind.__name__}")
        await handler(message)

    return handle
