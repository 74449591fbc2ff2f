"""What has been concluded and is on its way to the bus."""

import asyncio
from typing import Final

from services.evaluator.ports import Speaker
from shared.contracts import Message

MOST_UNSAID: Final = 1000
"""Messages on their way before reading waits for them."""


class Voice:
    """Says many messages at once, begun in order; knows what is not stored yet, and never forgets a failure."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._unsaid: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None

    def begin(self, message: Message) -> None:
        """Start to say a message. Not a coroutine, so that nobody can be cancelled between two of one record."""
        task = asyncio.create_task(self._speaker.say(message))
        self._unsaid.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: "asyncio.Task[None]") -> None:
        self._unsaid.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = self._failure or error

    async def breathe(self) -> None:
        """Wait if too much is on its way. Raises what a message failed with."""
        if len(self._unsaid) > MOST_UNSAID or self._failure is not None:
            await self.all_said()

    async def all_said(self) -> None:
        """Wait until everything begun is stored. Raises what a message failed with: it must be said by a restart.

        Cancelling the wait cancels no message: `asyncio.gather` would, and a checkpoint after it would lose them.
        """
        while self._unsaid:
            await asyncio.wait(self._unsaid)
        if self._failure is not None:
            raise self._failure
