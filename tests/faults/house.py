"""A whole site as a process of its own, and every handle a fault needs: kill, freeze, arm, break, misbehave, ask."""

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
import nats
import psutil  # type: ignore[import-untyped]  # the package ships no types
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError

from cli.runtime.example import DEMO_CONFIGURATION
from cli.runtime.example import USUAL_PORTS as EXAMPLE_PORTS
from cli.runtime.installation import USUAL_PORTS
from cli.runtime.ports import Ports
from shared.contracts import BY_TYPE, Message
from shared.contracts.base import type_in
from shared.kit.settings import environment
from tests.fakes.embedded import wait_until

ROOT: Final = Path(__file__).parents[2]
WITHIN_S: Final = 120.0
"""Generous: two busy cores, and redelivery and claims of 30 s each after a kill. Never a limit of the product."""
KILLABLE: Final = ("prober", "evaluator", "incidents", "notifier")
PAIRS: Final = dict.fromkeys(KILLABLE, 2)

T = TypeVar("T")


@dataclass(frozen=True)
class Stored:
    """One message of a stream."""

    sequence: int
    subject: str
    at_s: float
    message: Message
    headers: Mapping[str, str]


@dataclass
class House:
    """One site. `folder` holds its data, its log and the crash files."""

    folder: Path
    file: Path
    scale: Mapping[str, int] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    # Life

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """All that the site and its services said."""
        return self.folder / "site.log"

    def start(self, *, keep_configuration: bool = False) -> None:
        """Start it on what its folder holds and wait until every service is ready.

        On ports of its own from the first start on, not the usual ones, which another site may take while this one is
        down. One start at a time on a machine: a port is free until its program listens.
        """
        with (Path(tempfile.gettempdir()) / "hc-faults.lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (self.data / "ports.json").exists():
                ports = Ports()
                for name in (*USUAL_PORTS, *EXAMPLE_PORTS, "erp_admin", "nats"):
                    ports.choose(name)
                self.data.mkdir(mode=0o711, exist_ok=True)
                (self.data / "ports.json").write_text(json.dumps(ports.chosen), encoding="utf-8")
                del ports  # it holds what it chose
            self._start(keep_configuration=keep_configuration)

    def _start(self, *, keep_configuration: bool) -> None:
        (self.folder / "faults.json").unlink(missing_ok=True)
        wanted = {
            "file": None if keep_configuration else str(self.file),
            "data": str(self.data),
            "scale": dict(self.scale),
            "crash": {service: str(self.crash_file(service)) for service in KILLABLE},
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.run_site", json.dumps(wanted)],
                cwd=ROOT,
                env=environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        process = self.process
        wait_until(lambda: process.poll() is not None or self._is_up(), "the site is up", WITHIN_S)
        assert process.poll() is None, self.log.read_text(errors="replace")[-4000:]

    def _is_up(self) -> bool:
        return (self.folder / "faults.json").exists()

    def stop(self) -> None:
        """SIGTERM, as an operator would; everything is gone afterwards."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill_supervisor()
        self.process = None

    def kill_supervisor(self) -> None:
        """SIGKILL of the supervisor; its children die with it, each as abruptly."""
        assert self.process is not None
        family = psutil.Process(self.process.pid).children(recursive=True) if self.process.poll() is None else []
        self.process.kill()
        self.process.wait(10)
        _, alive = psutil.wait_procs(family, timeout=10)
        for orphan in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                orphan.kill()
        psutil.wait_procs(alive, timeout=10)

    @property
    def is_alive(self) -> bool:
        """Whether the supervisor runs."""
        return self.process is not None and self.process.poll() is None

    @property
    def facts(self) -> dict[str, Any]:
        """What `run_site` told."""
        found: dict[str, Any] = json.loads((self.folder / "faults.json").read_text(encoding="utf-8"))
        return found

    # Processes

    def pids(self) -> dict[str, int]:
        """Running processes by name: `evaluator-0`, `nats`, `postgres`, `erp` and so on."""
        listed = json.loads((self.data / "runtime.json").read_text(encoding="utf-8"))["processes"]
        return {entry["name"]: entry["pid"] for entry in listed}

    def replicas(self, service: str) -> list[str]:
        """Names of a service's processes, whether they run or not."""
        return [f"{service}-{number}" for number in range(self.scale.get(service, 1))]

    def signal(self, name: str, number: int) -> int:
        """Send a signal to a process, and (Postgres) to all that it consists of when it is frozen or woken."""
        pid = self.pids()[name]
        family = [pid]
        if number in {signal.SIGSTOP, signal.SIGCONT}:
            family += [child.pid for child in psutil.Process(pid).children(recursive=True)]
        for one in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, number)
        return pid

    async def restarted(self, name: str, old_pid: int) -> None:
        """Wait until the supervisor runs another process of this name, and that it is ready."""

        async def look() -> bool | None:
            with contextlib.suppress(ValueError, OSError):
                return True if self.pids().get(name, old_pid) != old_pid else None
            return None

        await until(look, f"{name} runs again")
        await self.ready(name)

    async def ready(self, name: str) -> None:
        """Wait until a replica's /readyz says so (other processes: nothing to wait for)."""
        port = self.facts["ports"].get(f"{name}.ops")
        if port is None:
            return

        async def look() -> bool | None:
            with contextlib.suppress(httpx.HTTPError):
                async with http() as client:
                    return True if (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200 else None
            return None

        await until(look, f"{name} is ready")

    async def all_ready(self) -> None:
        """Wait until every replica of every service is ready."""
        for service in (*KILLABLE, "console"):
            for name in self.replicas(service):
                await self.ready(name)

    # Crash points

    def crash_file(self, service: str) -> Path:
        """Where a service's replicas look for their death."""
        return self.folder / f"crash-{service}"

    def arm(self, service: str, point: str, count: int) -> None:
        """Let the replica that arrives there for the `count`-th time from now kill itself."""
        unfinished = self.folder / "crash.new"
        unfinished.write_text(f"{point} {count}", encoding="utf-8")
        unfinished.rename(self.crash_file(service))

    def is_armed(self, service: str) -> bool:
        """Whether nobody has died of it yet."""
        return self.crash_file(service).exists()

    def disarm(self) -> None:
        """Nobody is to die."""
        for service in KILLABLE:
            self.crash_file(service).unlink(missing_ok=True)

    # The world around

    def url(self, port: str) -> str:
        """An address of this machine by the name of its port."""
        return f"http://127.0.0.1:{self.facts['ports'][port]}"

    async def switch(self, mode: str) -> None:
        """Make the example ERP `healthy`, `errors`, `slow`, `hang` or `refuse`."""
        async with http() as client:
            (await client.put(f"{self.url('erp_admin')}/switch", json={"mode": mode})).raise_for_status()

    async def behave(self, wire: str, mode: str = "ok", **more: object) -> None:
        """Tell a sink what to do with the next messages."""
        async with http() as client:
            answer = await client.put(f"{self.url('sinks')}/behave/{wire}", json={"mode": mode, **more})
            answer.raise_for_status()

    async def received(self) -> list[dict[str, Any]]:
        """What the sinks got, oldest first, also what a lying one lost."""
        async with http() as client:
            found: list[dict[str, Any]] = (await client.get(f"{self.url('sinks')}/received.json?all=1")).json()
        return found

    # Asking the services

    async def ask(self, method: str, url: str, body: object = None) -> httpx.Response | None:
        """One authenticated request; None while nobody answers or the answer is a 5xx."""
        try:
            async with http() as client:
                answer = await client.request(
                    method, url, json=body, headers={"Authorization": f"Bearer {self.facts['token']}"}
                )
        except httpx.TransportError:
            return None
        return None if answer.status_code >= 500 else answer

    async def get(self, url: str) -> Any:
        """GET until somebody answers; fails on a 4xx."""

        async def look() -> httpx.Response | None:
            return await self.ask("GET", url)

        answer = await until(look, url)
        answer.raise_for_status()
        return answer.json()

    async def incidents(self, path: str = "") -> Any:
        """From the incidents API."""
        return await self.get(f"{self.facts['incidents_url']}/api/v1/incidents{path}")

    async def pages(self, path: str = "") -> Any:
        """From the notifier's ledger."""
        return await self.get(f"{self.facts['notifier_url']}/api/v1/pages{path}")

    @contextlib.asynccontextmanager
    async def bus(self) -> AsyncIterator[Client]:
        """A connection as admin, waited for."""

        async def look() -> Client | None:
            try:
                return await nats.connect(
                    self.facts["nats_url"], user="admin", password=self.facts["nats_password"],
                    allow_reconnect=False, connect_timeout=3, error_cb=_quiet, inbox_prefix=b"_INBOX.faults",
                )  # fmt: skip
            except (NatsError, OSError, TimeoutError):
                return None

        client = await until(look, "the bus answers")
        try:
            yield client
        finally:
            await client.close()

    async def last(self, *streams: str) -> dict[str, int]:
        """The last sequence of each stream."""
        async with self.bus() as client:
            js = client.jetstream(timeout=10)
            return {name: (await js.stream_info(name)).state.last_seq for name in streams}

    async def stored(self, stream: str, after: int = 0) -> list[Stored]:
        """Every message of a stream after a sequence, in order."""
        async with self.bus() as client:
            js = client.jetstream(timeout=10)
            state = (await js.stream_info(stream)).state
            found = []
            for sequence in range(max(after + 1, state.first_seq), state.last_seq + 1):
                with contextlib.suppress(NotFoundError):
                    raw: Any = await js.get_msg(stream, sequence)
                    kind = BY_TYPE[type_in(raw.headers) or ""]
                    at_s = raw.time.timestamp() if raw.time else 0.0
                    message = kind.from_json(raw.data or b"")
                    found.append(Stored(sequence, raw.subject, at_s, message, raw.headers or {}))
            return found


def http() -> httpx.AsyncClient:
    """A client that believes no proxy."""
    return httpx.AsyncClient(timeout=15, trust_env=False)


async def until(look: Callable[[], Awaitable[T | None]], what: str, within_s: float = WITHIN_S) -> T:
    """Look until there is something. Raises AssertionError naming `what`."""
    deadline = time.monotonic() + within_s
    while (found := await look()) is None:
        assert time.monotonic() < deadline, f"{what}: not within {within_s:g} s"
        await asyncio.sleep(0.05)
    return found


def say(words: str) -> None:
    """For whoever runs with `-s`: what was done, and how long it took."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


async def _quiet(_: Exception) -> None:
    """Errors of a short-lived connection are raised where they matter."""


@contextlib.contextmanager
def running_house(
    scale: Mapping[str, int] | None = None, file: Path = DEMO_CONFIGURATION, *, start: bool = True
) -> Iterator[House]:
    """A site in a folder of its own; nothing of it is left afterwards but the log of one that failed (see `keep`)."""
    folder = Path(tempfile.mkdtemp(prefix="hc-faults-", dir="/tmp"))
    folder.chmod(0o711)  # as root, Postgres runs as another user and must pass through
    house = House(folder, file, scale or {})
    try:
        if start:
            house.start()
        yield house
    finally:
        if house.is_alive:
            house.stop()
        kept = Path(tempfile.gettempdir()) / "hc-faults-last.log"
        with contextlib.suppress(OSError):
            shutil.copy(house.log, kept)
        shutil.rmtree(folder, ignore_errors=True)
