"""What is said of breaches and incidents, remembered, so that a story can wait for one message, past or to come."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from nats.aio.msg import Msg
from pydantic import ValidationError

from cli.system import System, admin_bus
from shared.contracts import BY_TYPE, Message
from shared.contracts.base import type_in

EACH_WITHIN_S: Final = 45.0
"""How long a story waits for one thing to happen."""

SUBJECTS: Final = ("hc.breaches.>", "hc.incidents.>")
"""What a story waits for. To decode every sample besides would slow what is told of."""

M = TypeVar("M", bound=Message)


class Listener:
    """Remembers every message it is given and lets the story wait for one."""

    def __init__(self) -> None:
        self._seen: list[Message] = []
        self._news = asyncio.Condition()

    async def on_message(self, msg: Msg) -> None:
        """A callback for a subscription."""
        cls = BY_TYPE.get(type_in(msg.headers) or "")
        if cls is None:
            return
        try:
            message = cls.from_json(msg.data)
        except ValidationError:
            return
        async with self._news:
            self._seen.append(message)
            self._news.notify_all()

    async def wait_for(self, kind: type[M], is_it: Callable[[M], bool] = lambda _: True) -> M:
        """The first such message, past or to come. Raises TimeoutError."""

        def find() -> M | None:
            return next((m for m in self._seen if type(m) is kind and is_it(m)), None)

        async with asyncio.timeout(EACH_WITHIN_S), self._news:
            await self._news.wait_for(lambda: find() is not None)
        found = find()
        assert found is not None  # noqa: S101  # the condition above
        return found


@asynccontextmanager
async def listening(system: System) -> AsyncIterator[Listener]:
    """Listen as `admin` while the block runs."""
    listener = Listener()
    async with admin_bus(system) as client:
        for subject in SUBJECTS:
            await client.subscribe(subject, cb=listener.on_message)
        await client.flush()
        yield listener
