"""Starting `world.py` as a program of its own and watching it from outside."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # the package ships no types

from tests.fakes.embedded import wait_until

ROOT = Path(__file__).parents[3]


@dataclass
class World:
    """One running `world.py`."""

    folder: Path
    process: subprocess.Popen[bytes]
    output: Path

    @property
    def said(self) -> str:
        """All it wrote."""
        return self.output.read_text(encoding="utf-8", errors="replace")

    def runtime(self) -> dict[str, object]:
        """What `runtime.json` says; empty when there is none."""
        with contextlib.suppress(FileNotFoundError):
            found: dict[str, object] = json.loads((self.folder / "runtime.json").read_text(encoding="utf-8"))
            return found
        return {}

    def address(self, name: str) -> str:
        """One of the addresses it tells."""
        addresses = self.runtime()["addresses"]
        assert isinstance(addresses, dict)
        return str(addresses[name])

    def pids(self) -> dict[str, int]:
        """Its children by name."""
        listed = self.runtime().get("processes", [])
        assert isinstance(listed, list)
        return {entry["name"]: entry["pid"] for entry in listed}

    def wait_ready(self) -> None:
        """Wait until it has said so."""
        wait_until(lambda: self.process.poll() is not None or "\nready\n" in f"\n{self.said}", "the world is ready")
        assert self.process.poll() is None, self.said

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal; returns the exit code. Fails when it takes longer than ten seconds."""
        self.process.send_signal(number)
        return self.process.wait(10)

    def wait_restarted(self, name: str, old_pid: int) -> int:
        """Wait until another process of this name runs; returns its pid."""
        wait_until(lambda: self.pids().get(name, old_pid) != old_pid, f"{name} runs again")
        return self.pids()[name]


def family(pid: int) -> list[int]:
    """Every living descendant of a process."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    return []


def are_gone(pids: list[int]) -> bool:
    """Whether none of them runs (a zombie does not)."""
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                return False
    return True


def launch(
    folder: Path,
    output: Path,
    *,
    argv: tuple[str, ...] = (sys.executable,),
    env: Mapping[str, str] | None = None,
    user: int | None = None,
) -> World:
    """Start the world on a data folder, not waiting for anything."""
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*argv, "-m", "tests.integration.runtime.world", str(folder)],
            cwd=ROOT,
            env={"PATH": os.defpath, **(env or {})},
            stdout=file,
            stderr=file,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
    return World(folder, process, output)


@contextlib.contextmanager
def ended_at_last(*worlds: World) -> Iterator[None]:
    """Whatever the test does, nothing of it is left."""
    try:
        yield
    finally:
        for world in worlds:
            pids = [*family(world.process.pid), *world.pids().values()]
            world.process.kill()
            world.process.wait(10)
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
