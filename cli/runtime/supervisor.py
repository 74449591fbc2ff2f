"""Keeps a set of processes running: started in order, restarted when they die, stopped in reverse."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from cli.runtime.child import Launch
from cli.runtime.keeper import Keeper
from cli.runtime.loglines import Dialect
from cli.runtime.logview import LogView
from cli.runtime.processes import ProcessMark
from shared.kit.errors import Unusable

KILL_AT_ONCE_AFTER_S: Final = 0.5
"""A second Ctrl-C sooner is the same one, delivered twice (by the terminal and by `uv run`, say)."""


@dataclass(frozen=True)
class ProcessSpec:
    """One process to keep running."""

    name: str
    launch: Callable[[], Launch]
    """Prepares and describes one start; called in a thread, anew for each, and may block or raise Unusable."""
    is_ready: Callable[[], bool]
    """Asked in a thread until it says yes; should answer within a second or two."""
    answers: Callable[[], bool] | None = None
    """Asked in a thread, again and again once it was ready: False where nothing answers. None: it is not watched."""
    answers_every_s: float = 0.5
    dialect: Dialect = "json"
    stop_timeout_s: float = 6.0
    """From the stop signal to SIGKILL. The sum over the groups is how long a stop may take: keep it below 10."""


class Supervisor:
    """Use it through `supervise`, from the main thread."""

    def __init__(self, view: LogView, on_change: Callable[[Sequence[ProcessMark]], None]) -> None:
        self._view = view
        self._on_change = on_change
        self._groups: list[list[Keeper]] = []

    async def start(self, specs: Sequence[ProcessSpec], *, within_s: float = 60.0) -> None:
        """Start these together, return when all are ready. Raises Unusable when one refuses or is not ready in time."""
        keepers = [Keeper(spec, self._view, self._changed) for spec in specs]
        self._groups.append(keepers)
        for keeper in keepers:
            keeper.begin()
        waiting = [keeper.first_ready for keeper in keepers]
        done, late = await asyncio.wait(waiting, timeout=within_s, return_when=asyncio.FIRST_EXCEPTION)
        for future in done:
            future.result()
        if late:
            words = [f"{one.spec.name}:\n{one.last_words()}" for one in keepers if one.first_ready in late]
            raise Unusable("\n".join([f"not ready within {within_s:g} s", *words]))

    def processes(self) -> list[ProcessMark]:
        """Those that run now."""
        return [keeper.marked for group in self._groups for keeper in group if keeper.marked]

    @staticmethod
    async def wait() -> None:
        """Wait for ever; processes are restarted meanwhile. Ends by the signal that `supervise` turns into a stop."""
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """Stop all, those started last first."""
        for group in reversed(self._groups):
            await asyncio.gather(*(keeper.stop() for keeper in group))

    def kill(self) -> None:
        """SIGKILL all; `stop`, if under way, then ends at once."""
        for group in self._groups:
            for keeper in group:
                keeper.kill()

    def _changed(self) -> None:
        self._on_change(self.processes())


async def supervise(
    body: Callable[[Supervisor], Awaitable[None]],
    view: LogView,
    on_change: Callable[[Sequence[ProcessMark]], None] = lambda _: None,
) -> None:
    """Run `body` (it starts what it wants, then waits) until it ends or SIGINT, SIGTERM or SIGHUP; then stop all.

    `on_change` hears of every process that came or went. A second signal kills at once. Whatever happens, no process
    is left. Raises what `body` raised; a stop by signal is no error.
    """
    supervisor = Supervisor(view, on_change)
    running = asyncio.ensure_future(body(supervisor))
    loop = asyncio.get_running_loop()
    first_at: list[float] = []

    def on_signal() -> None:
        if not first_at:
            first_at.append(loop.time())
            view.shown_from = "error"
            view.say("stopping; once more kills at once")
            running.cancel()
        elif loop.time() - first_at[0] > KILL_AT_ONCE_AFTER_S:
            supervisor.kill()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, on_signal)
    try:
        await running
    except asyncio.CancelledError:
        if not first_at:  # somebody else's wish: pass it on
            raise
    finally:
        running.cancel()
        await supervisor.stop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)
