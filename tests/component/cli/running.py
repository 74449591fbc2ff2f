"""`hypercare up` as a program of its own, and the commands that talk to it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # the package ships no types
from typer.testing import CliRunner

from cli.__main__ import app
from tests.fakes.embedded import wait_until

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "examples" / "erp" / "demo.yaml"
STARTS_WITHIN_S = 90.0
"""About 5 s on a quiet machine; a loaded one with two cores may run several at once."""
STOPS_WITHIN_S = 20.0
"""The promise is 10 s (6 for services, 2.5 for the stores), 3 s is usual; starved machines also wait for Python."""


@dataclass(frozen=True)
class Said:
    """What one command answered."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Its answer as JSON."""
        return json.loads(self.out)


def hypercare(*argv: str | Path) -> Said:
    """Run a command in this process, which saves a second of imports each time."""
    result = CliRunner().invoke(app, [str(word) for word in argv], catch_exceptions=False)
    return Said(result.exit_code, result.stdout, result.stderr)


def hypercare_as(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    user: int | None = None,
    within_s: float = 60,
) -> Said:
    """Run a command as a program of its own; `user` also gives its python and environment by `env_of`."""
    python, base = python_of(user)
    done = subprocess.run(
        [python, "-m", "cli", *map(str, argv)],
        cwd=cwd,
        env={**base, **(env or {})},
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )
    return Said(done.returncode, done.stdout, done.stderr)


def python_of(user: int | None) -> tuple[str, dict[str, str]]:
    """A Python that this user may run, and the environment in which it finds our packages."""
    env = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
    if user is None:
        return sys.executable, env
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    packages = Path(psutil.__file__).parents[1]
    return f"/usr/bin/python{version}", {**env, "PYTHONPATH": str(packages)}


@dataclass
class Up:
    """One `hypercare up`."""

    data: Path
    process: subprocess.Popen[bytes]
    output: Path

    @property
    def out(self) -> str:
        """Its standard output."""
        return self.output.with_suffix(".out").read_text(encoding="utf-8", errors="replace")

    @property
    def err(self) -> str:
        """Its standard error: the log."""
        return self.output.with_suffix(".err").read_text(encoding="utf-8", errors="replace")

    def events(self) -> list[str]:
        """What the supervisor said of its own."""
        lines = [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]
        return [line["event"] for line in lines if line.get("service") == "supervisor"]

    def runtime(self) -> dict[str, Any]:
        """What `runtime.json` says; empty when there is none."""
        with contextlib.suppress(FileNotFoundError):
            found: dict[str, Any] = json.loads((self.data / "runtime.json").read_text(encoding="utf-8"))
            return found
        return {}

    def address(self, name: str) -> str:
        """One of the addresses it tells."""
        return str(self.runtime()["addresses"][name])

    def pids(self) -> dict[str, int]:
        """Its children by name."""
        return {entry["name"]: entry["pid"] for entry in self.runtime().get("processes", [])}

    def token(self) -> str:
        """The admin's."""
        return Path(self.runtime()["token_file"]).read_text(encoding="utf-8")

    def wait_watching(self) -> None:
        """Wait until it says that it is watching. Fails with its words when it ends instead."""
        wait_until(
            lambda: self.process.poll() is not None or "\nwatching;" in self.out, "up is watching", STARTS_WITHIN_S
        )
        assert self.process.poll() is None, self.err

    def run(self, *argv: str | Path) -> Said:
        """Run a command on its data folder."""
        return hypercare(*argv, "--data", self.data)

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal to the whole group, as a terminal does with Ctrl-C; returns the exit code."""
        os.killpg(self.process.pid, number)
        try:
            return self.process.wait(STOPS_WITHIN_S)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"it does not stop; its last words:\n{self.err[-3000:]}") from error


def start(
    data: Path, output: Path, *argv: str | Path, env: Mapping[str, str] | None = None, user: int | None = None
) -> Up:
    """Start `hypercare up` on a data folder, not waiting for anything."""
    python, base = python_of(user)
    with output.with_suffix(".out").open("wb") as out, output.with_suffix(".err").open("wb") as err:
        process = subprocess.Popen(
            [python, "-m", "cli", "up", "--data", str(data), *map(str, argv)],
            cwd=ROOT,
            env={**base, "PYTHONUNBUFFERED": "1", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
    return Up(data, process, output)


@contextlib.contextmanager
def ended_at_last(up: Up) -> Iterator[Up]:
    """Whatever the test does, nothing of it is left: the children die with the one that started them."""
    try:
        yield up
    finally:
        pids = [*family(up.process.pid), *up.pids().values()]
        if up.process.poll() is None:
            up.process.kill()
        up.process.wait(STOPS_WITHIN_S)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def place() -> Iterator[Path]:
    """A short folder through which other users may pass, as Postgres under root wants it."""
    with tempfile.TemporaryDirectory(prefix="hc-", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


def family(pid: int) -> list[int]:
    """Every living descendant of a process."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    return []


def are_gone(pids: Sequence[int]) -> bool:
    """Whether none of them runs (a zombie does not)."""
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                return False
    return True
