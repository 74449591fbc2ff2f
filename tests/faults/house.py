"""A whole site as a process of its own, and every handle a fault needs: kill, freeze, arm, break, misbehave, ask."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import psutil  # type: ignore[import-untyped]  # the package ships no types

from cli.runtime.example import DEMO_CONFIGURATION
from cli.runtime.example import USUAL_PORTS as EXAMPLE_PORTS
from cli.runtime.installation import USUAL_PORTS
from cli.runtime.ports import Ports
from shared.kit.settings import environment
from tests.fakes.embedded import wait_until
from tests.faults.outside import WITHIN_S, Outside, http, until

ROOT: Final = Path(__file__).parents[2]
KILLABLE: Final = ("prober", "evaluator", "incidents", "notifier")
PAIRS: Final = dict.fromkeys(KILLABLE, 2)


@dataclass
class House(Outside):
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
