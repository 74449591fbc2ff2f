import asyncio
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cli.runtime import keeper
from cli.runtime.child import Launch
from cli.runtime.logview import LogView
from cli.runtime.processes import ProcessMark
from cli.runtime.supervisor import ProcessSpec, Supervisor, supervise
from shared.kit.errors import Unusable
from tests.integration.runtime.running import are_gone

FOR_EVER = "while :; do sleep 0.02; done"


class Seen:
    """What a supervisor showed and which processes it had."""

    def __init__(self) -> None:
        self.text = ""
        self.pids: set[int] = set()

    def view(self) -> LogView:
        return LogView(self._add, is_terminal=True)

    def _add(self, text: str) -> None:
        self.text += text

    def changed(self, processes: Sequence[ProcessMark]) -> None:
        self.pids |= {process.pid for process in processes}


def shell(name: str, script: str, *, ready: Path | None = None, stop_timeout_s: float = 5.0) -> ProcessSpec:
    return ProcessSpec(
        name=name,
        launch=lambda: Launch(("/bin/sh", "-c", script), {"PATH": os.defpath}),
        is_ready=(lambda: True) if ready is None else ready.exists,
        dialect="plain",
        stop_timeout_s=stop_timeout_s,
    )


async def test_a_process_that_refuses_its_settings_is_shown_in_one_message_and_nothing_is_left() -> None:
    seen = Seen()

    async def body(supervisor: Supervisor) -> None:
        await supervisor.start([shell("store", FOR_EVER)])
        refusing = shell("prober-1", "echo HYPERCARE_NATS_URL: is no address; exit 2", ready=Path("/never"))
        await supervisor.start([refusing, shell("other", FOR_EVER)])

    with pytest.raises(Unusable, match="prober-1 refuses to run:\nHYPERCARE_NATS_URL: is no address"):
        await supervise(body, seen.view(), seen.changed)

    assert are_gone(list(seen.pids))
    assert "starting it again" not in seen.text


async def test_a_process_that_never_gets_ready_is_shown_with_its_last_words() -> None:
    seen = Seen()

    async def body(supervisor: Supervisor) -> None:
        late = shell("late", f"echo waiting for a miracle; {FOR_EVER}", ready=Path("/never"))
        await supervisor.start([late], within_s=0.5)

    with pytest.raises(Unusable, match=r"not ready within 0\.5 s\nlate:\nwaiting for a miracle"):
        await supervise(body, seen.view(), seen.changed)
    assert are_gone(list(seen.pids))


async def test_what_cannot_be_started_says_why() -> None:
    seen = Seen()

    def no_launch() -> Launch:
        raise Unusable("the cluster was made by Postgres 16")

    async def body(supervisor: Supervisor) -> None:
        await supervisor.start([ProcessSpec("postgres", no_launch, lambda: True)])

    with pytest.raises(Unusable, match="postgres cannot be started: the cluster was made by Postgres 16"):
        await supervise(body, seen.view(), seen.changed)


async def test_the_last_started_is_stopped_first(tmp_path: Path) -> None:
    seen, order = Seen(), tmp_path / "order"

    def noting(name: str) -> ProcessSpec:
        ready = tmp_path / name
        script = f"trap 'echo {name} >> {order}; exit 0' TERM; touch {ready}; {FOR_EVER}"
        return shell(name, script, ready=ready)

    async def body(supervisor: Supervisor) -> None:
        for name in ("store", "service", "console"):
            await supervisor.start([noting(name)])

    await supervise(body, seen.view(), seen.changed)

    assert order.read_text(encoding="utf-8").split() == ["console", "service", "store"]


async def test_one_that_does_not_stop_in_time_is_killed(tmp_path: Path) -> None:
    seen, ready = Seen(), tmp_path / "ready"

    async def body(supervisor: Supervisor) -> None:
        stubborn = f"trap '' TERM; touch {ready}; {FOR_EVER}"
        await supervisor.start([shell("stubborn", stubborn, ready=ready, stop_timeout_s=0.2)])

    await supervise(body, seen.view(), seen.changed)

    assert are_gone(list(seen.pids))
    assert "stubborn did not stop within 0.2 s: killed" in seen.text


async def test_a_second_ctrl_c_kills_at_once(tmp_path: Path) -> None:
    seen, ready = Seen(), tmp_path / "ready"

    async def body(supervisor: Supervisor) -> None:
        stubborn = f"trap '' TERM; touch {ready}; {FOR_EVER}"
        await supervisor.start([shell("stubborn", stubborn, ready=ready, stop_timeout_s=100)])
        os.kill(os.getpid(), signal.SIGINT)
        await supervisor.wait()

    async with asyncio.timeout(20):
        running = asyncio.create_task(supervise(body, seen.view(), seen.changed))
        while not running.done():
            if "stopping" in seen.text:
                os.kill(os.getpid(), signal.SIGINT)
            await asyncio.wait({running}, timeout=0.1)
        await running

    assert are_gone(list(seen.pids))


class Answers:
    """What a watched process says, one word a question; the last word for ever."""

    def __init__(self, *words: bool) -> None:
        self.words = list(words)
        self.asked = 0

    def __call__(self) -> bool:
        self.asked += 1
        return self.words.pop(0) if len(self.words) > 1 else self.words[0]


async def test_one_that_hangs_is_killed_and_started_again() -> None:
    seen, answers = Seen(), Answers(True, *[False] * keeper.SILENT_TIMES, True)

    async def body(supervisor: Supervisor) -> None:
        await supervisor.start(
            [replace(shell("hanging", f"trap '' TERM; {FOR_EVER}"), answers=answers, answers_every_s=0.01)]
        )
        while "hanging is ready" not in seen.text.partition("starting it again")[2]:
            await asyncio.sleep(0.01)
        (only,) = supervisor.processes()
        os.kill(only.pid, signal.SIGKILL)

    async with asyncio.timeout(20):
        await supervise(body, seen.view(), seen.changed)
    assert "hanging hangs: it has not answered 3 times in a row: killed" in seen.text
    assert "hanging was ended by SIGKILL; starting it again in 0." in seen.text
    assert len(seen.pids) == 2
    assert are_gone(list(seen.pids))


async def test_one_that_is_only_slow_now_and_then_is_left_alone() -> None:
    almost = [False] * (keeper.SILENT_TIMES - 1)
    seen, answers = Seen(), Answers(True, *almost, True, *almost, True, *almost, True)

    async def body(supervisor: Supervisor) -> None:
        await supervisor.start([replace(shell("slow", FOR_EVER), answers=answers, answers_every_s=0.01)])
        while len(answers.words) > 1:
            await asyncio.sleep(0.01)

    async with asyncio.timeout(20):
        await supervise(body, seen.view(), seen.changed)
    assert "hangs" not in seen.text
    assert len(seen.pids) == 1


async def test_a_failed_process_waits_longer_each_time_and_a_stop_does_not_wait_for_it(tmp_path: Path) -> None:
    seen, starts = Seen(), tmp_path / "starts"

    async def body(supervisor: Supervisor) -> None:
        failing = shell("failing", f"echo x >> {starts}; echo oh no; exit 1", ready=Path("/never"))
        starting = asyncio.create_task(supervisor.start([failing]))
        while seen.text.count("failing ended with exit code 1; starting it again in 0.") < 3:
            await asyncio.wait({starting}, timeout=0.01)
        starting.cancel()

    async with asyncio.timeout(20):
        await supervise(body, seen.view(), seen.changed)
    assert starts.read_text(encoding="utf-8").count("x") == 3
    assert seen.text.count("oh no") == 3
