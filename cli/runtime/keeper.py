"""One process kept running: its starts, its output, its end."""

import asyncio
import contextlib
import os
import random
import signal
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from cli.runtime.child import Launch, spawn_into
from cli.runtime.loglines import as_text, read_line
from cli.runtime.logview import LogView
from cli.runtime.processes import ProcessMark, mark
from shared.kit.errors import Unusable

if TYPE_CHECKING:
    from cli.runtime.supervisor import ProcessSpec

REFUSES: Final = 2
"""Exit code of a program that cannot run with its settings: starting it again changes nothing."""
FIRST_WAIT_S: Final = 0.2
LONGEST_WAIT_S: Final = 10.0
HEALTHY_S: Final = 30.0
ASK_EVERY_S: Final = 0.05
SILENT_TIMES: Final = 3
"""So many questions in a row without an answer, and it hangs: about a dozen seconds. Questions are counted, not time:
a laptop that slept, or a supervisor that was itself stopped, has asked nothing meanwhile."""
_LAST_LINES: Final = 15


def restart_wait_s(failures: int, jitter: float) -> float:
    """Seconds until the next start after `failures` (>= 1) in a row; `jitter` (0..1) takes up to a fifth off."""
    return float(min(FIRST_WAIT_S * 2 ** min(failures - 1, 20), LONGEST_WAIT_S) * (1 - 0.2 * jitter))


class Keeper:
    """Starts a process, shows its output, starts it again with back-off when it ends by itself."""

    def __init__(self, spec: "ProcessSpec", view: LogView, on_change: Callable[[], None]) -> None:
        self.spec = spec
        self.marked: ProcessMark | None = None
        self.is_ready = False
        self._view = view
        self._on_change = on_change
        self._tail: deque[str] = deque(maxlen=_LAST_LINES)
        self.first_ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when it was ready once; Unusable when it refuses to run."""
        self._process: asyncio.subprocess.Process | None = None
        self._stop_signal = signal.SIGTERM
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start keeping it."""
        self._task = asyncio.create_task(self._keep(), name=f"keep {self.spec.name}")

    def last_words(self) -> str:
        """The last lines it wrote, as people read them."""
        return "\n".join(as_text(read_line(self.spec.dialect, line)) for line in self._tail) or "(it said nothing)"

    async def _keep(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                code, healthy_s = await self._run_once()
            except (Unusable, OSError) as error:
                self._give_up(f"{self.spec.name} cannot be started: {error}")
                return
            if self._stopping.is_set():
                return
            if code == REFUSES and healthy_s == 0:
                self._give_up(f"{self.spec.name} refuses to run:\n{self.last_words()}")
                return
            failures = 1 if healthy_s >= HEALTHY_S else failures + 1
            wait_s = restart_wait_s(failures, random.random())  # noqa: S311  # only spreads restarts
            self._view.say(f"{self.spec.name} {_ending(code)}; starting it again in {wait_s:.1f} s", "warning")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait_s)

    async def _run_once(self) -> tuple[int, float]:
        """One life: its exit code (negative: the signal), and for how many seconds it was ready."""
        launch = await asyncio.to_thread(self.spec.launch)
        if self._stopping.is_set():
            return 0, 0.0
        loop = asyncio.get_running_loop()
        process, output = await self._spawn(launch)
        reading = asyncio.create_task(self._show(output))
        ready_at: list[float] = []
        asking = asyncio.create_task(self._watch(ready_at))
        try:
            code = await process.wait()
        finally:
            asking.cancel()
            self.is_ready = False
            await self._end_reading(reading)
        self._process = self.marked = None
        self._on_change()
        return code, loop.time() - ready_at[0] if ready_at else 0.0

    async def _spawn(self, launch: Launch) -> tuple[asyncio.subprocess.Process, int]:
        """Start it; returns it and the reading end of its output."""
        output, written = os.pipe()
        try:
            process = await spawn_into(launch, written)
        except BaseException:  # also of a cancellation: nobody would ever close it
            os.close(output)
            raise
        finally:
            os.close(written)
        self._process, self._stop_signal = process, launch.stop_signal
        self.marked = mark(self.spec.name, process.pid, launch.death_signal)
        self._on_change()
        if self._stopping.is_set():  # asked while it was starting
            self._signal(self._stop_signal)
        return process, output

    async def _watch(self, ready_at: list[float]) -> None:
        """Ask until it is ready, then whether it still answers, for as long as it lives."""
        is_ready = False
        while not is_ready:
            await asyncio.sleep(ASK_EVERY_S)
            is_ready = await asyncio.to_thread(self.spec.is_ready)
        self._note_ready(ready_at)
        if self.spec.answers is not None:
            await self._kill_when_it_hangs(self.spec.answers)

    def _note_ready(self, ready_at: list[float]) -> None:
        self.is_ready = True
        ready_at.append(asyncio.get_running_loop().time())
        self._view.say(f"{self.spec.name} is ready")
        if not self.first_ready.done():
            self.first_ready.set_result(None)

    async def _kill_when_it_hangs(self, answers: Callable[[], bool]) -> None:
        """A process that lives and answers nothing is worse than a dead one: nobody takes over, nobody starts it."""
        silent = 0
        while silent < SILENT_TIMES:
            await asyncio.sleep(self.spec.answers_every_s)
            silent = 0 if await asyncio.to_thread(answers) else silent + 1
        if not self._stopping.is_set():
            self._view.say(
                f"{self.spec.name} hangs: it has not answered {SILENT_TIMES} times in a row: killed", "warning"
            )
            self.kill()

    async def _show(self, output: int) -> None:
        """Show what it writes, line by line, until the last process that holds the pipe is gone."""
        reader = asyncio.StreamReader(limit=1 << 20)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(output, "rb", 0)
        )
        rest = b""
        try:
            while chunk := await reader.read(1 << 16):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._show_line(line)
                if len(rest) > 1 << 20:  # no line end in a megabyte: show it rather than keep it
                    self._show_line(rest)
                    rest = b""
        finally:
            self._show_line(rest)
            transport.close()

    def _show_line(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip()
        if text:
            self._tail.append(text)
            self._view.show(self.spec.name, self.spec.dialect, text)

    @staticmethod
    async def _end_reading(reading: asyncio.Task[None]) -> None:
        """Read what is left; a grandchild that still holds the pipe must not hold us."""
        await asyncio.wait({reading}, timeout=0.5)
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading

    def _give_up(self, why: str) -> None:
        if self.first_ready.done():
            self._view.say(f"{why}\nIt is not started again; the others go on.", "error")
        else:
            self.first_ready.set_exception(Unusable(why))

    async def stop(self) -> None:
        """End it: its stop signal, then after its time SIGKILL. Returns when it is gone."""
        self._stopping.set()
        if self._task is None:
            return
        self._signal(self._stop_signal)
        await asyncio.wait({self._task}, timeout=self.spec.stop_timeout_s)
        if self._process is not None:
            self._view.say(f"{self.spec.name} did not stop within {self.spec.stop_timeout_s:g} s: killed", "warning")
            self.kill()
            await asyncio.wait({self._task}, timeout=5)
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        if not self.first_ready.done():
            self.first_ready.cancel()
        elif not self.first_ready.cancelled():
            self.first_ready.exception()  # read: nobody may be waiting for it any more

    def kill(self) -> None:
        """SIGKILL."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"
