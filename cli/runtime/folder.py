"""The data folder: everything one installation keeps, held by one supervisor at a time."""

import contextlib
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from cli.runtime.processes import ProcessMark, end_orphans, is_running, mark
from cli.runtime.secrets import Secrets, make_up, write_private
from shared.kit.clock import Clock
from shared.kit.errors import Unusable

WAIT_FOR_ORPHANS_S: Final = 15.0


class DataFolder:
    """An opened data folder; nobody else can open it until `close`, or until all who hold `lock_fd` are gone."""

    def __init__(self, path: Path, lock_fd: int, started_at: str, ended: Sequence[ProcessMark]) -> None:
        self.path = path
        self.lock_fd = lock_fd
        """To be inherited by the servers that own a store in here."""
        self.started_at = started_at
        self.ended_orphans = tuple(ended)
        """What an earlier supervisor, killed, had left running, and `open` ended."""

    @classmethod
    def open(cls, path: Path, clock: Clock) -> "DataFolder":
        """Create or take the folder, ending what a killed supervisor left. Raises Unusable when another is at work."""
        path = _created(path)
        ended: list[ProcessMark] = []
        deadline = time.monotonic() + WAIT_FOR_ORPHANS_S
        while (lock_fd := _try_lock(path / "lock")) is None:
            holder = _holder(path)
            if holder is not None and is_running(holder[0]):
                raise Unusable(
                    f"{path} is in use: hypercare process {holder[0].pid} works on it since {holder[1]}."
                    " Stop that one first, or name another folder with --data"
                )
            ended += end_orphans(_recorded(path), str(path))
            if time.monotonic() > deadline:
                raise Unusable(f"{path} is in use by a process that did not say who it is (see `fuser {path}/lock`)")
            time.sleep(0.05)
        ended += end_orphans(_recorded(path), str(path))
        started_at = clock.now().isoformat(timespec="seconds")
        folder = cls(path, lock_fd, started_at, ended)
        folder._say_who()
        return folder

    def _say_who(self) -> None:
        me = mark("supervisor", os.getpid())
        if me is not None:
            text = json.dumps({"process": asdict(me), "since": self.started_at})
            os.pwrite(self.lock_fd, text.encode(), 0)
            os.ftruncate(self.lock_fd, len(text))

    def secrets(self, bus_users: Iterable[str], database_roles: Iterable[str]) -> Secrets:
        """The installation's secrets; what is missing is made up and kept. The admin's token is in `token_file` too."""
        path = self.path / "secrets.json"
        kept = _read_json(path)
        try:
            made = make_up(kept, bus_users, database_roles)
        except TypeError as error:
            hint = "move it away to have new secrets made (acknowledgement links change)"
            raise Unusable(f"{path} is damaged: {hint}") from error
        if asdict(made) != kept:
            write_private(path, json.dumps(asdict(made), indent=1))
        write_private(self.token_file, made.admin_token)
        return made

    @property
    def token_file(self) -> Path:
        """Holds the admin's API token (0600)."""
        return self.path / "admin.token"

    def ports(self) -> dict[str, int]:
        """The ports of the last run by name: kept, because acknowledgement links in mails hold them."""
        return {name: port for name, port in _read_json(self.path / "ports.json").items() if isinstance(port, int)}

    def remember_ports(self, ports: Mapping[str, int]) -> None:
        """Add to what is kept."""
        write_private(self.path / "ports.json", json.dumps({**self.ports(), **ports}, indent=1, sort_keys=True))

    def write_runtime(self, addresses: Mapping[str, str], processes: Iterable[ProcessMark]) -> None:
        """Say to the world (`hypercare status`) and to the next `open` what runs: replaces `runtime.json` at once."""
        said = {
            "started_at": self.started_at,
            "pid": os.getpid(),
            "addresses": dict(addresses),
            "token_file": str(self.token_file),
            "processes": [asdict(process) for process in processes],
        }
        write_private(self.path / "runtime.json", json.dumps(said, indent=1))

    def close(self) -> None:
        """Give the folder back. Call it when every child is gone."""
        (self.path / "runtime.json").unlink(missing_ok=True)
        sockets = self.path / "run"
        if sockets.is_symlink():  # they had to be elsewhere: leave nothing there
            with contextlib.suppress(OSError):
                sockets.readlink().rmdir()
                sockets.unlink()
        (self.path / "lock").unlink(missing_ok=True)  # safe while held: whoever waits looks at the path again
        os.close(self.lock_fd)


def read_runtime(path: Path) -> dict[str, object] | None:
    """What runs on a data folder; None when nothing does, whatever a killed supervisor may have left there."""
    holder = _holder(path)
    if holder is None or not is_running(holder[0]):
        return None
    return _read_json(path / "runtime.json") or None


def _created(path: Path) -> Path:
    """Create it for us alone. As root others may pass through (not look), for the database runs as another user."""
    path = path.absolute()
    if not path.exists():
        try:
            path.mkdir(mode=0o700, parents=True)
            path.chmod(stat.S_IRWXU | (stat.S_IXGRP | stat.S_IXOTH if os.geteuid() == 0 else 0))
        except OSError as error:
            raise Unusable(f"cannot create the data folder {path}: {error.strerror}") from error
    if not path.is_dir() or not os.access(path, os.W_OK | os.X_OK):
        raise Unusable(f"the data folder {path} is not a folder that we may write to")
    return path.resolve()


def _try_lock(path: Path) -> int | None:
    """The held lock, or None when somebody else has it. Raises Unusable when what is there cannot be a lock of ours."""
    while True:
        lock_fd = _open_lock(path)
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock_fd)
            return None
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(lock_fd)):
                return lock_fd
        os.close(lock_fd)  # its holder removed the file between our open and our lock


def _open_lock(path: Path) -> int:
    """Open what we are going to write into: never what a link leads to, and never what could keep us waiting."""
    try:
        lock_fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except OSError as error:
        why = "is a link to something else" if path.is_symlink() else f"cannot be opened: {error.strerror}"
        raise Unusable(f"{path} {why}; hypercare writes who it is into that file. Remove it") from error
    if stat.S_ISREG(os.fstat(lock_fd).st_mode):
        return lock_fd
    os.close(lock_fd)
    raise Unusable(f"{path} is not a regular file; hypercare writes who it is into it. Remove it")


def _holder(path: Path) -> tuple[ProcessMark, str] | None:
    """Who wrote itself into the lock, and since when it holds it."""
    said = _read_json(path / "lock")
    try:
        process = said["process"]
        return (ProcessMark(**process), str(said["since"])) if isinstance(process, dict) else None
    except (KeyError, TypeError):
        return None


def _recorded(path: Path) -> list[ProcessMark]:
    listed = _read_json(path / "runtime.json").get("processes", [])
    with contextlib.suppress(TypeError):
        return [ProcessMark(**entry) for entry in listed] if isinstance(listed, list) else []
    return []


def _read_json(path: Path) -> dict[str, object]:
    """The object in a file; empty when there is none, or no whole one."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
