"""The edge in from the bus: pages requested and cancelled."""

from collections.abc import Mapping

from services.notifier.handlers import Desk, cancel_pages, request_page
from shared.contracts import Message
from shared.contracts.pages import PageCancelled, PageRequested
from shared.kit.broker import Handler
from shared.kit.in_step import InStep
from shared.kit.lanes import Lanes


def handlers(desk: Desk, in_step: InStep) -> Mapping[type[Message], Handler]:
    """Return what to do with each kind of message of the stream PAGES.

    A page may be for somebody whom only a newer configuration names: it waits for that one. It also waits for what
    this replica has begun of the cancels of its incident; which of two replicas is first, nobody can say.
    """
    lanes = Lanes()

    async def requested(message: Message) -> None:
        if isinstance(message, PageRequested):
            await lanes.passed(message.incident)
            await request_page(desk, message)

    async def cancelled(message: Message) -> None:
        if isinstance(message, PageCancelled):
            async with lanes.alone_in(message.incident):
                await cancel_pages(desk, message)

    return {PageRequested: in_step.before(requested), PageCancelled: cancelled}
