"""Telling our processes from others: a number alone is not enough, numbers are used again."""

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import psutil  # type: ignore[import-untyped]  # the package ships no types

from cli.runtime.child import DATA_MARKER

SAME_START_S: Final = 2.0
"""A process's start is computed from the machine's boot time, which shifts a little when the clock is set."""


@dataclass(frozen=True)
class ProcessMark:
    """A process of this machine, recognisable later."""

    name: str
    pid: int
    started_s: float
    """Seconds since the epoch."""
    death_signal: int = signal.SIGKILL
    """What ends it at once with the least harm."""


def mark(name: str, pid: int, death_signal: int = signal.SIGKILL) -> ProcessMark | None:
    """Note down a running process; None when it is gone already."""
    try:
        return ProcessMark(name, pid, psutil.Process(pid).create_time(), death_signal)
    except psutil.NoSuchProcess:
        return None


def is_running(marked: ProcessMark) -> bool:
    """Whether this very process runs; a zombie does not."""
    try:
        process = psutil.Process(marked.pid)
        same = abs(process.create_time() - marked.started_s) < SAME_START_S
        return bool(same and process.status() not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD})
    except psutil.NoSuchProcess:
        return False


def works_for(marked: ProcessMark, folder: str) -> bool:
    """Whether it runs and was started for this data folder."""
    if not is_running(marked):
        return False
    try:
        return bool(psutil.Process(marked.pid).environ().get(DATA_MARKER) == folder)
    except psutil.Error:
        return False


def end_orphans(marks: Iterable[ProcessMark], folder: str, *, limit_s: float = 5.0) -> list[ProcessMark]:
    """End those that still work for `folder`, whose supervisor is gone; returns them. Blocks at most 2 `limit_s`.

    What does not carry the folder's marker is somebody else's and is left alone.
    """
    orphans = [marked for marked in marks if works_for(marked, folder)]
    for orphan in orphans:
        _send(orphan, orphan.death_signal)
        _send(orphan, signal.SIGCONT)  # a frozen one must wake up to die
    if not _all_gone(orphans, limit_s):
        for orphan in orphans:
            _send(orphan, signal.SIGKILL)
        _all_gone(orphans, limit_s)
    return orphans


def _send(marked: ProcessMark, number: int) -> None:
    if is_running(marked):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(marked.pid, number)


def _all_gone(marks: list[ProcessMark], limit_s: float) -> bool:
    deadline = time.monotonic() + limit_s
    while any(is_running(marked) for marked in marks):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
