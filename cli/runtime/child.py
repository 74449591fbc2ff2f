"""Starting a program so that it cannot outlive us."""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

DATA_MARKER: Final = "HYPERCARE_DATA_FOLDER"
"""Environment variable in every child: the data folder it works for. An orphan is only ended when it carries it."""

_PR_SET_PDEATHSIG: Final = 1
_libc: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Account:
    """A user of the machine a child runs as."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Launch:
    """A program to run: everything about it, nothing inherited but what is named here."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path | None = None
    pass_fds: tuple[int, ...] = ()
    account: Account | None = None
    """None: the same user as ours."""
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    """What it gets when we die. Linux only; elsewhere the next start ends what was left."""
    stdin: bytes = field(default=b"", repr=False)


def _die_with(parent: int, death_signal: int) -> Callable[[], None]:
    """What runs in the child between fork and exec. Everything it needs is looked up before the fork."""
    prctl = _libc.prctl if _libc is not None else None

    def before_exec() -> None:
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent:  # it died before the line above: no signal would ever come
            os._exit(1)

    return before_exec


def spawn(launch: Launch, *, output: IO[bytes] | int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Start it, standard output and error into `output`.

    The kernel sends the death signal when the *thread* that forked ends, so call this from a thread that lives as
    long as the program does: the main one. A session of its own keeps a terminal's Ctrl-C from reaching it before
    we have decided in which order to stop.
    """
    return subprocess.Popen(  # noqa: S603  # argv is ours
        launch.argv,
        env=dict(launch.env),
        cwd=launch.cwd,
        pass_fds=launch.pass_fds,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        user=launch.account.uid if launch.account else None,
        group=launch.account.gid if launch.account else None,
        extra_groups=[] if launch.account else None,
        preexec_fn=_die_with(os.getpid(), launch.death_signal),  # noqa: PLW1509  # only looked-up C calls run in it
    )


async def spawn_into(launch: Launch, output: int) -> asyncio.subprocess.Process:
    """Start it with its output in a pipe of ours, from the event loop of the main thread."""
    return await asyncio.create_subprocess_exec(
        *launch.argv,
        env=dict(launch.env),
        cwd=launch.cwd,
        pass_fds=launch.pass_fds,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        user=launch.account.uid if launch.account else None,
        group=launch.account.gid if launch.account else None,
        extra_groups=[] if launch.account else None,
        preexec_fn=_die_with(os.getpid(), launch.death_signal),
    )


def run_to_end(launch: Launch, *, timeout_s: float = 60.0) -> subprocess.CompletedProcess[bytes]:
    """Run a short program, giving it `launch.stdin`; its output and error come back together in `stdout`."""
    return subprocess.run(  # noqa: S603  # argv is ours
        launch.argv,
        env=dict(launch.env),
        cwd=launch.cwd,
        input=launch.stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout_s,
        check=False,
        user=launch.account.uid if launch.account else None,
        group=launch.account.gid if launch.account else None,
        extra_groups=[] if launch.account else None,
        preexec_fn=_die_with(os.getpid(), signal.SIGKILL),  # only looked-up C calls run in it
    )
