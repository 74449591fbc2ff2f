"""Named points where a test, or `hypercare demo --kill`, may end this process with SIGKILL.

Armed only where `HYPERCARE_CRASH_FILE` names a file at start; unarmed, a point costs one comparison. The file holds
`NAME COUNT`: at the COUNT-th arrival at NAME since it is there, the file is removed (so that the restarted process
lives) and the process kills itself, which is as abrupt as the power going. Replicas may share a file: one dies of it.

Points: `commit.before|after`, `publish.before|after`, `ack.before|after`, `send.before|during|after`,
`checkpoint.before|after`.
"""

import os
import signal
from pathlib import Path

from shared.kit.settings import environment

_FILE = environment().get("HYPERCARE_CRASH_FILE")
_arrivals: dict[str, int] = {}


def reached(name: str) -> None:
    """Die here if a test asked for it."""
    if _FILE is None:
        return
    armed = Path(_FILE)
    try:
        wanted, count = armed.read_text(encoding="utf-8").split()
    except (FileNotFoundError, ValueError):
        _arrivals.clear()
        return
    if wanted != name:
        return
    _arrivals[name] = _arrivals.get(name, 0) + 1
    if _arrivals[name] < int(count):
        return
    try:
        armed.unlink()
    except FileNotFoundError:  # another replica was first
        _arrivals.clear()
        return
    os.kill(os.getpid(), signal.SIGKILL)
