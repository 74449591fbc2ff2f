"""Several messages in hand at once, begun one after another in the order in which they came."""

import asyncio
from collections.abc import Coroutine

from shared.kit.logging import get_logger

log = get_logger()


class Crew:
    """A subscription hands over its messages here and fetches the next; with nobody free, it waits.

    One subscription, not several: of several, a later message may be begun before an earlier one. Nor larger fetches:
    the client holds the first message of a batch back until the others are there or its time is over.
    """

    def __init__(self, at_once: int) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._working: set[asyncio.Task[None]] = set()

    async def begin(self, work: Coroutine[None, None, None]) -> None:
        """Begin it as soon as somebody is free; returns when it has begun."""
        try:
            await self._free.acquire()
        except asyncio.CancelledError:
            work.close()
            raise
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._working.discard(task)
        self._free.release()
        if not task.cancelled() and (error := task.exception()):
            log.warning("message_not_settled", error=repr(error))  # the bus is away: it comes again

    async def drain(self, within_s: float) -> None:
        """Let what is in hand be finished, as far as it is in time: the bus brings the rest again."""
        if self._working:
            await asyncio.wait(self._working, timeout=within_s)
