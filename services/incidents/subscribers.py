"""Messages in: each becomes one handler call, settled by the one outcome table."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from faststream.nats import NatsBroker

from services.incidents.handlers import Handlers
from shared.contracts import BreachChanged, BreachCleared, BreachOpened, Message, OpenSet, PageReceipt
from shared.contracts.streams import INCIDENTS_BREACHES, INCIDENTS_OPEN_SETS, INCIDENTS_RECEIPTS, Consumer
from shared.kit.broker import Handler, Settler, subscribe

M = TypeVar("M", bound=Message)


def attach(broker: NatsBroker, settler_of: Callable[[Consumer], Settler], handlers: Handlers) -> None:
    """Subscribe to breaches, open sets and receipts."""
    table: dict[Consumer, dict[type[Message], Handler]] = {
        INCIDENTS_BREACHES: {
            BreachOpened: _for(BreachOpened, handlers.breach_opened),
            BreachChanged: _for(BreachChanged, handlers.breach_opened),
            BreachCleared: _for(BreachCleared, handlers.breach_cleared),
        },
        INCIDENTS_OPEN_SETS: {OpenSet: _for(OpenSet, handlers.open_set_came)},
        INCIDENTS_RECEIPTS: {PageReceipt: _for(PageReceipt, handlers.receipt_came)},
    }
    for consumer, by_type in table.items():
        subscribe(broker, consumer, settler_of(consumer), by_type)


def _for(kind: type[M], handler: Callable[[M], Awaitable[None]]) -> Handler:
    """Give a handler of one kind the type that the table has."""

    async def handle(message: Message) -> None:
        if not isinstance(message, kind):
            raise TypeError(f"{type(message).__name__} is not {kind.__name__}")
        await handler(message)

    return handle
