"""Time-driven work is a row with `due_at`, not a timer in memory (ADR 0004).

A worker does what is due, sleeps until the next row, is woken in-process by the commit that made an earlier one, and
looks once a second anyway for what another replica left.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from shared.kit.clock import Clock
from shared.kit.errors import Transient
from shared.kit.health import Health
from shared.kit.logging import get_logger

log = get_logger()

LOOK_EVERY_S: Final = 1.0
AFTER_A_FAULT_S: Final = 0.5

DoDue = Callable[[datetime], Awaitable[int]]
"""Claim (FOR UPDATE SKIP LOCKED) and do a bounded batch of rows with due_at <= the instant; returns how many."""
NextDue = Callable[[], Awaitable[datetime | None]]


class DueWorker:
    """Runs one kind of due rows for ever."""

    def __init__(self, name: str, do_due: DoDue, next_due: NextDue, clock: Clock, health: Health) -> None:
        self._name = name
        self._do_due = do_due
        self._next_due = next_due
        self._clock = clock
        self._health = health
        self._woken = asyncio.Event()
        self._stopping = False

    def wake(self) -> None:
        """A commit has made or moved a row: look now."""
        self._woken.set()

    def stop(self) -> None:
        """Finish the batch at hand and return from `run`."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Work until stopped. A fault of the world is waited out; a bug of ours is told by /readyz and retried."""
        while not self._stopping:
            self._woken.clear()
            try:
                done = await self._do_due(self._clock.now())
                wait_s = 0.0 if done else await self._until_next()
                self._health.recovered(f"due:{self._name}")
            except Transient as error:
                log.warning("due_work_delayed", worker=self._name, reason=error.reason)
                wait_s = AFTER_A_FAULT_S
            except Exception as error:  # one bad row must not end all time-driven work
                log.exception("due_work_failed", worker=self._name, error=repr(error))
                self._health.broken(f"due:{self._name}", f"{type(error).__name__} in time-driven work")
                wait_s = LOOK_EVERY_S
            await self._sleep(wait_s)

    async def _until_next(self) -> float:
        due_at = await self._next_due()
        if due_at is None:
            return LOOK_EVERY_S
        return min(LOOK_EVERY_S, max(0.0, (due_at - self._clock.now()).total_seconds()))

    async def _sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return
