"""Work side by side that must not overtake its own kind."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from weakref import WeakValueDictionary


class Lanes:
    """Whoever enters a lane has it alone; those who wait for it go in the order in which they came.

    What is in one scope would wait for its turn in the database anyway, but there each of them holds a connection: a
    storm in one service would leave none for the others. A lane that nobody is in takes no memory.
    """

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def passed(self, name: str) -> None:
        """Wait until whoever entered a lane before has left it."""
        async with self.alone_in(name):
            pass

    @contextlib.asynccontextmanager
    async def alone_in(self, name: str) -> AsyncIterator[None]:
        """Wait for the turn in a lane, and leave it when the block ends, however it ends."""
        lock = self._locks.setdefault(name, asyncio.Lock())
        async with lock:
            yield
