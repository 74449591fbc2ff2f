"""The whole of docker-compose.yml as a project of its own, and every handle a fault needs."""

import asyncio
import contextlib
import json
import re
import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from cli.runtime.ports import Ports
from tests.e2e.engine import EngineError, ask, crash, docker
from tests.faults.outside import Outside, until

ROOT: Final = Path(__file__).parents[2]
STARTS_WITHIN_S: Final = 300
SERVICES: Final = ("prober", "evaluator", "incidents", "notifier", "console")
KEPT: Final = Path(tempfile.gettempdir()) / "hc-e2e-last.log"
LASTING: Final = (*SERVICES, "gateway", "nats", "postgres", "erp", "sinks")
"""What has to run all the time; the others do their work once."""
_PORTS: Final = {
    "notifier": "HYPERCARE_NOTIFIER_PORT",
    "console": "HYPERCARE_CONSOLE_PORT",
    "prober": "HYPERCARE_PROBER_PORT",
    "incidents": "HYPERCARE_INCIDENTS_PORT",
    "erp": "HYPERCARE_ERP_PORT",
    "erp_admin": "HYPERCARE_SWITCHBOARD_PORT",
    "sinks": "HYPERCARE_INBOX_PORT",
    "nats": "E2E_NATS_PORT",
    "postgres": "E2E_POSTGRES_PORT",
    "light": "E2E_LIGHT_PORT",
}


@dataclass
class Stack(Outside):
    """One Compose project. `more`: Compose files beyond the tests' own."""

    project: str
    more: tuple[Path, ...] = ()
    profiles: tuple[str, ...] = ("example",)
    scale: dict[str, int] = field(default_factory=dict)
    _ports: Ports = field(default_factory=Ports, repr=False)

    def __post_init__(self) -> None:
        """Take ports nobody else has."""
        for name in _PORTS:
            self._ports.choose(name)

    # Life

    @property
    def _environment(self) -> dict[str, str]:
        return {variable: str(self._ports.chosen[name]) for name, variable in _PORTS.items()}

    @property
    def _compose(self) -> tuple[str, ...]:
        files = (ROOT / "docker-compose.yml", Path(__file__).with_name("compose.yml"), *self.more)
        return (
            "compose",
            *("--project-name", self.project, "--project-directory", str(ROOT), "--progress", "quiet"),
            *(word for file in files for word in ("--file", str(file))),
            *(word for profile in self.profiles for word in ("--profile", profile)),
        )

    def compose(self, *argv: str) -> str:
        """A command of Compose's on this project. Raises EngineError."""
        return docker(*self._compose, *argv, env=self._environment, limit_s=STARTS_WITHIN_S)

    async def composed(self, *argv: str) -> str:
        """The same, while the test's own loop goes on."""
        return await ask(*self._compose, *argv, env=self._environment, limit_s=STARTS_WITHIN_S)

    def up(self) -> None:
        """Start it and wait until everything is healthy."""
        try:
            self.compose("up", "--detach", "--wait", "--no-build", *self._scaled())
        except EngineError as error:
            raise EngineError(f"{error}\n{self.compose('ps', '--all')}\n{self._last_words()}") from error

    def _last_words(self) -> str:
        """Of the containers that do not run and did not end well, or are not healthy."""
        listed = [json.loads(line) for line in self.compose("ps", "--all", "--format", "json").splitlines()]
        ill = [one["Service"] for one in listed if one["ExitCode"] or one["Health"] not in {"", "healthy"}]
        return self.compose("logs", "--no-color", "--tail", "20", *ill) if ill else ""

    def _scaled(self) -> tuple[str, ...]:
        return tuple(f"--scale={service}={count}" for service, count in self.scale.items())

    async def scale_to(self, **counts: int) -> None:
        """Change how many replicas of services run; returns when they are healthy."""
        self.scale |= counts
        await self.composed("up", "--detach", "--wait", "--no-build", "--no-recreate", *self._scaled())

    def down(self) -> None:
        """Remove every container, network and volume, whatever state a failed test left them in."""
        for container in self._paused():
            docker("unpause", container)
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "5")

    def _paused(self) -> list[str]:
        mine = ("--filter", f"label=com.docker.compose.project={self.project}", "--filter", "status=paused")
        return docker("ps", "--quiet", *mine).split()

    # Containers

    async def containers(self, service: str) -> list[str]:
        """Names of a service's containers, running or not."""
        filters = (
            *("--filter", f"label=com.docker.compose.project={self.project}"),
            *("--filter", f"label=com.docker.compose.service={service}"),
            *("--filter", "label=com.docker.compose.oneoff=False"),
        )
        return sorted((await ask("ps", "--all", "--format", "{{.Names}}", *filters)).split())

    async def container(self, service: str) -> str:
        """The first of them."""
        return (await self.containers(service))[0]

    async def hostname(self, container: str) -> str:
        """What a replica calls itself."""
        return (await ask("inspect", "--format", "{{.Config.Hostname}}", container)).strip()

    async def kill(self, container: str) -> None:
        """SIGKILL out of the blue; returns when the engine has started it again."""
        before = (await self._state(container))["StartedAt"]
        await crash(container)

        async def again() -> bool | None:
            state = await self._state(container)
            return True if state["Running"] and state["StartedAt"] != before else None

        await until(again, f"{container} is started again")

    async def restart(self, container: str) -> None:
        """Stop it in order, with the time it may take by docker-compose.yml, and start it again."""
        await ask("restart", container)

    @contextlib.asynccontextmanager
    async def paused(self, container: str) -> AsyncIterator[None]:
        """Freeze every process of it: connections stay, nothing answers."""
        await ask("pause", container)
        try:
            yield
        finally:
            await ask("unpause", container)

    @contextlib.asynccontextmanager
    async def cut_off(self, container: str, network: str) -> AsyncIterator[None]:
        """Take its cable to a network out: no answers, no errors either."""
        name = f"{self.project}_{network}"
        await ask("network", "disconnect", name, container)
        try:
            yield
        finally:
            service = re.sub(r"-\d+$", "", container.removeprefix(f"{self.project}-"))
            await ask("network", "connect", "--alias", service, name, container)

    async def _state(self, container: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await ask("inspect", "--format", "{{json .State}}", container))
        return found

    async def ready(self, *services: str) -> None:
        """Wait until every replica of these services (default: of all) runs and is healthy."""
        for service in services or LASTING:
            for container in await self.containers(service):

                async def look(container: str = container) -> bool | None:
                    state = await self._state(container)
                    healthy = state.get("Health", {}).get("Status", "healthy") == "healthy"
                    return True if state["Running"] and healthy else None

                await until(look, f"{container} is healthy")

    async def said_by(self, service: str) -> str:
        """All that a service has said."""
        return await self.composed("logs", "--no-color", "--no-log-prefix", service)

    def keep_logs(self) -> None:
        """Write down what everybody said, for whoever reads a failed test."""
        with contextlib.suppress(EngineError):
            KEPT.write_text(self.compose("logs", "--no-color", "--timestamps", "--tail", "2000"), encoding="utf-8")

    async def apply(self, file: Path) -> None:
        """Apply a configuration with the example's variables."""
        await self.composed(
            "run", "--rm", "--no-deps", "--volume", f"{file}:/apply/{file.name}:ro", "configure", "apply",
            f"/apply/{file.name}",
        )  # fmt: skip

    # What a checker has to know

    @cached_property
    def facts(self) -> dict[str, Any]:
        """See `Outside`."""
        ports = self._ports.chosen
        reading = "for name in token nats_password; do cat /run/secrets/$name; echo; done"
        cli = ("run", "--rm", "--no-deps", "--entrypoint", "sh", "cli")
        token, nats_password = self.compose(*cli, "-c", reading).split()
        return {
            "nats_url": f"nats://127.0.0.1:{ports['nats']}",
            "nats_password": nats_password,
            "database_urls": {schema: self._database_url(schema) for schema in ("incidents", "notifier")},
            "incidents_url": f"http://127.0.0.1:{ports['incidents']}",
            "notifier_url": f"http://127.0.0.1:{ports['notifier']}",
            "token": token,
            "ports": ports,
        }

    def _database_url(self, schema: str) -> str:
        url = self.compose("exec", "-T", schema, "cat", "/run/secrets/database_url").strip()
        return url.replace("@postgres:5432/", f"@127.0.0.1:{self._ports.chosen['postgres']}/")


@contextlib.contextmanager
def running_stack(*more: Path, profiles: tuple[str, ...] = ("example",)) -> Iterator[Stack]:
    """A stack of its own; nothing of it is left afterwards."""
    stack = Stack(f"hc-e2e-{secrets.token_hex(3)}", more, profiles)
    try:
        stack.up()
        yield stack
    except BaseException:
        stack.keep_logs()
        raise
    finally:
        stack.down()


async def lasting(seconds: float) -> None:
    """How long a fault lasts: not a wait for anything."""
    await asyncio.sleep(seconds)
