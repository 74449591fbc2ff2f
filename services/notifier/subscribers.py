"""The edge in from the bus: pages requested and cancelled."""

from collections.abc import Mapping

from services.notifier.handlers import Desk, cancel_pages, request_page
from shared.contracts import Message
from shared.contracts.pages import PageCancelled, PageRequested
from shared.kit.broker import Handler


def handlers(desk: Desk) -> Mapping[type[Message], Handler]:
    """Return what to do with each kind of message of the stream PAGES."""

    async def requested(message: Message) -> None:
        if isinstance(message, PageRequested):
            await request_page(desk, message)

    async def cancelled(message: Message) -> None:
        if isinstance(message, PageCancelled):
            await cancel_pages(desk, message)

    return {PageRequested: requested, PageCancelled: cancelled}
