"""Real servers for tests: nats-server and Postgres out of their wheels, on random ports, ended for certain.

Nothing here sleeps for luck: each start waits until the server has answered a real request.
"""

import atexit
import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, TypeVar
from urllib.parse import urlsplit

import asyncpg

from cli.runtime.account import account_for, make_private, reachable_binaries
from cli.runtime.child import Launch, spawn
from cli.runtime.nats import BusLogin, NatsSetup, answers, prepare_nats
from cli.runtime.ports import Ports
from cli.runtime.postgres import DATABASE, SUPERUSER, PostgresSetup, accepts_connections, prepare_postgres

START_LIMIT_S: Final = 30.0
"""Generous: two busy cores. A start takes about 0.05 s (NATS) and 0.1 s (Postgres)."""

# The kernel kills our children when the thread that started them ends (that is what makes them certain to go), so
# they are started from one thread that lives as long as the process, whatever thread the test runs in.
_starter = ThreadPoolExecutor(1, thread_name_prefix="embedded")


def wait_until(is_true: Callable[[], bool], what: str, limit_s: float = START_LIMIT_S) -> None:
    """Block until it is true; raises TimeoutError naming `what`."""
    deadline = time.monotonic() + limit_s
    while not is_true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {limit_s} s")
        time.sleep(0.005)


@dataclass
class Server:
    """One running program of ours and its folder."""

    folder: Path
    process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)

    def _launch(self) -> Launch:
        raise NotImplementedError

    def _is_ready(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        """Start it on what its folder holds and wait until it answers."""
        launch = self._launch()
        with self.log_path.open("ab") as log:
            self.process = _starter.submit(_spawn, launch, log).result()
        self._wait_until_ready(lambda: self._running() is not None, launch.argv[0])

    def _wait_until_ready(self, runs: Callable[[], bool], name: str) -> None:
        wait_until(lambda: not runs() or self._is_ready(), f"{name} answers")
        if not runs():
            raise RuntimeError(f"{name} ended at once:\n{self.log_path.read_text(errors='replace')[-3000:]}")

    def _running(self) -> subprocess.Popen[bytes] | None:
        return self.process if self.process is not None and self.process.poll() is None else None

    @property
    def log_path(self) -> Path:
        """What the server said."""
        return self.folder / "server.log"

    def stop(self) -> None:
        """End it in order; its data stays for `start`."""
        self._end(self._stop_signal)

    def kill(self) -> None:
        """SIGKILL; its data stays for `start`."""
        self._end(signal.SIGKILL)

    _stop_signal = signal.SIGTERM

    def _end(self, with_signal: signal.Signals) -> None:
        running = self._running()
        if running is None:
            return
        running.send_signal(signal.SIGCONT)
        running.send_signal(with_signal)
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait(10)

    def restart(self) -> None:
        """Stop in order and start again on the same data and address."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): connections stay, nothing answers."""
        if running := self._running():
            running.send_signal(signal.SIGSTOP)
            wait_until(lambda: _state(running.pid) == "T", "the server is frozen")

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        if running := self._running():
            running.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it and remove its data."""
        self.kill()
        self._forget()

    def _forget(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.close)


def _spawn(launch: Launch, log: IO[bytes]) -> subprocess.Popen[bytes]:
    return spawn(launch, output=log)


@dataclass
class NatsServer(Server):
    """A nats-server with JetStream. It keeps its port through restarts."""

    logins: tuple[BusLogin, ...] = ()
    port: int = field(init=False)
    ports: Ports = field(default_factory=Ports, init=False, repr=False)
    """Holds the reservation of our port for as long as we live."""

    def __post_init__(self) -> None:
        self.port = self.ports.choose("nats")

    @property
    def url(self) -> str:
        """Without user and password."""
        return f"nats://127.0.0.1:{self.port}"

    def _launch(self) -> Launch:
        return prepare_nats(NatsSetup(self.folder, self.port, self.logins))

    def _is_ready(self) -> bool:
        return answers(self.port, self.logins[0] if self.logins else None)


@dataclass
class PostgresServer(Server):
    """A Postgres with the database `hypercare` and one role per service, on a Unix socket of its own."""

    roles: tuple[str, ...] = ("incidents", "notifier", "programme")
    setup: PostgresSetup = field(init=False, repr=False)
    _stop_signal = signal.SIGINT

    def __post_init__(self) -> None:
        account = account_for(self.folder / "postgres")
        make_private(self.folder / "run", account)
        self.setup = PostgresSetup(
            cluster=self.folder / "postgres",
            socket_folder=self.folder / "run",
            binaries=reachable_binaries(account),
            passwords={role: f"{role}-password" for role in (SUPERUSER, *self.roles)},
            account=account,
            is_durable=False,
            options={"autovacuum": "off"},
        )

    @property
    def dsn(self) -> str:
        """The superuser's, in the database `hypercare`. Use `new_database` where tables are made."""
        return self.dsn_of(SUPERUSER)

    def dsn_of(self, role: str, database: str = DATABASE) -> str:
        """A service role's own."""
        return self.setup.dsn(role, database)

    def _launch(self) -> Launch:
        return prepare_postgres(self.setup)

    def _is_ready(self) -> bool:
        return accepts_connections(self.setup.socket_folder)

    def kill(self) -> None:
        """SIGKILL every process of the server, as a power cut would."""
        pids = _children(self.process.pid) if self.process else []
        super().kill()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(_is_alive(pid) for pid in pids), "Postgres's processes are gone")


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except OSError:
        return []


def _is_alive(pid: int) -> bool:
    """Neither gone nor a zombie that only waits for its parent."""
    return _state(pid) not in "ZX"


def _state(pid: int) -> str:
    """The kernel's letter for what a process does; X for one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def _folder(prefix: str) -> Path:
    """Short (socket paths have a limit) and, for Postgres under root, passable for another user."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))  # mkdtemp makes it 0700
    folder.chmod(0o711)
    return folder


def start_nats(users: tuple[BusLogin, ...] = ()) -> NatsServer:
    """A fresh nats-server, ready (about 0.03 s). No users: everyone may do everything."""
    return started(NatsServer(_folder("hc-nats-"), users))


def start_postgres(roles: tuple[str, ...] = ("incidents", "notifier", "programme")) -> PostgresServer:
    """A fresh Postgres, ready (about 0.7 s, most of it initdb)."""
    return started(PostgresServer(_folder("hc-pg-"), roles))


S = TypeVar("S", bound=Server)


def started(server: S) -> S:
    """Start it, with the promise that it is closed when this process ends."""
    atexit.register(server.close)
    try:
        server.start()
    except BaseException:
        server.close()
        raise
    return server


_numbers = itertools.count(1)


async def new_database(server: PostgresServer, template: str = "template1") -> str:
    """Create an empty database (about 30 ms), or a copy of `template`; returns the superuser's DSN for it."""
    name = f"test_{next(_numbers)}"
    admin = await asyncpg.connect(server.dsn_of(SUPERUSER, "postgres"))
    try:
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        for role in server.roles:
            await admin.execute(f"GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {name} TO {role}")
    finally:
        await admin.close()
    return server.dsn_of(SUPERUSER, name)


async def drop_database(server: PostgresServer, dsn: str) -> None:
    """Remove a database of `new_database`, ending whoever is still connected."""
    name = urlsplit(dsn).path.removeprefix("/")
    admin = await asyncpg.connect(server.dsn_of(SUPERUSER, "postgres"))
    try:
        await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    finally:
        await admin.close()
