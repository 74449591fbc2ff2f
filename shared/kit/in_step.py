"""A message may come sooner than the configuration it was made under: each replica takes that in its own time."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from shared.contracts import Message
from shared.kit.broker import Handler
from shared.kit.clock import Clock
from shared.kit.errors import Transient
from shared.kit.logging import get_logger

log = get_logger()

LONGEST_WAIT_S: Final = 30.0
RETRY_IN: Final = timedelta(seconds=0.25)
"""Half of the time between two looks at the pointer; another replica may have the message meanwhile."""


class InStep:
    """Sends a message of a newer revision back until this replica has looked at that revision.

    Who judged by an older plan would page the stand-in for a person whom it does not know yet. A revision that was
    refused has been looked at: nothing is gained by waiting for it.
    """

    def __init__(self, seen: Callable[[], int], clock: Clock) -> None:
        """Take `seen`: the newest revision that this replica has taken or refused."""
        self._seen = seen
        self._clock = clock
        self._heard_at: dict[int, float] = {}
        """Newer revisions, and when a message first spoke of them: by our clock, and once for all messages, so that
        a revision that never arrives holds pages up for half a minute and not for half a minute each."""

    def before(self, handler: Handler) -> Handler:
        """Return the handler with the question before it: what waits has entered no lane and holds no connection."""

        async def handle(message: Message) -> None:
            self.require(getattr(message, "revision", None))
            await handler(message)

        return handle

    def require(self, revision: int | None) -> None:
        """Raise Transient for a newer revision than ours, but for no longer than `LONGEST_WAIT_S`."""
        seen = self._seen()
        if revision is None or revision <= seen:
            return
        waited_s = self._waited_s(revision, seen)
        if waited_s < LONGEST_WAIT_S:
            raise Transient(f"made under revision {revision}; this replica is at {seen}", retry_in=RETRY_IN)
        log.error("revision_not_awaited", revision=revision, works_by=seen, waited_s=round(waited_s, 1))

    async def well(self) -> str | None:
        """A check of what is wrong: others have long worked by a revision that we know nothing of."""
        seen = self._seen()
        late = [one for one in self._heard_at if one > seen and self._waited_s(one, seen) >= LONGEST_WAIT_S]
        return f"messages are made under revision {max(late)}; this replica is at {seen}" if late else None

    def _waited_s(self, revision: int, seen: int) -> float:
        now = self._clock.monotonic()
        self._heard_at = {one: at for one, at in self._heard_at.items() if one > seen}
        return now - self._heard_at.setdefault(revision, now)
