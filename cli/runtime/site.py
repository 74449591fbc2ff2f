"""Brings an installation up and keeps it up: folder, ports, servers, schema, configuration, services, welcome."""

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cli import configuration, migrate
from cli.runtime import example
from cli.runtime.folder import DataFolder
from cli.runtime.installation import (
    SERVICES,
    Installation,
    base_specs,
    bus_users,
    choose_ports,
    database_roles,
    service_specs,
)
from cli.runtime.logview import LogView
from cli.runtime.ports import Ports
from cli.runtime.processes import ProcessMark
from cli.runtime.servers import postgres_setup
from cli.runtime.supervisor import Supervisor, supervise
from cli.runtime.welcome import welcome
from cli.system import System, admin_bus
from shared.kit.clock import SystemClock
from shared.kit.errors import Unusable
from shared.kit.settings import environment
from shared.kit.tokens import Role, store_token

if TYPE_CHECKING:
    from shared.config import Document


@dataclass(frozen=True)
class Request:
    """What was asked for on the command line."""

    file: Path | None
    data: Path
    scale: Mapping[str, int] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    example: bool = False
    crash_files: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Site:
    """A running installation, as those who watch it need it."""

    home: Installation
    system: System
    document: "Document"
    supervisor: Supervisor


Afterwards = Callable[[Site], Awaitable[None]]


async def run(request: Request, afterwards: Afterwards | None = None, *, quiet: bool = False) -> None:
    """Run a site until a signal, or until `afterwards` returns. Raises Unusable with words for what cannot start."""
    folder = DataFolder.open(request.data, SystemClock())
    try:
        home = _prepare(folder, request)
        document = _read(request, home)
        view = LogView(_no_output if quiet else _write, is_terminal=sys.stderr.isatty())
        for remark in home.ports.remarks:
            view.say(remark, "warning")
        for orphan in folder.ended_orphans:
            view.say(f"ended {orphan.name} (process {orphan.pid}), left by a run that was killed", "warning")
        starting = _Starting(home, request, document, view, afterwards)
        await supervise(starting.body, view, starting.say_processes)
    finally:
        folder.close()


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def _no_output(_: str) -> None:
    """For a demo that speaks for itself."""


def _prepare(folder: DataFolder, request: Request) -> Installation:
    ports = Ports(folder.ports())
    choose_ports(ports, request.scale, request.ports)
    if request.example:
        example.choose_ports(ports)
    folder.remember_ports(ports.chosen)
    secrets = folder.secrets(bus_users(), database_roles())
    return Installation(
        folder=folder,
        ports=ports,
        secrets=secrets,
        postgres=postgres_setup(folder, secrets.database),
        scale=request.scale,
        crash_files=request.crash_files,
        extra_env=example.secrets(ports) if request.example else {},
    )


def own_variables(home: Installation, *, with_example: bool) -> dict[str, str]:
    """What a configuration may name in `${…}` without anybody setting it."""
    own = {"HYPERCARE_URL": environment().get("HYPERCARE_URL", home.url("notifier"))}
    return {**own, **(example.variables(home.ports) if with_example else {})}


def _read(request: Request, home: Installation) -> "Document | None":
    """The configuration, every mistake printed before anything is started."""
    if request.file is None:
        return None
    if not request.file.is_file():
        raise Unusable(f"{request.file}: no such file; `hypercare init URL` writes a small one")
    return configuration.load_or_leave(request.file, variables=own_variables(home, with_example=request.example))


class _Starting:
    """The order in which things start, and what is said about it."""

    def __init__(
        self,
        home: Installation,
        request: Request,
        document: "Document | None",
        view: LogView,
        afterwards: Afterwards | None,
    ) -> None:
        self._home = home
        self._request = request
        self._document = document
        self._view = view
        self._afterwards = afterwards

    @property
    def _system(self) -> System:
        home = self._home
        return System(
            nats_url=home.nats_url,
            nats_user="admin",
            nats_password=home.secrets.bus["admin"],
            database_urls={name: home.postgres.dsn(name) for name in migrate.SERVICES_WITH_SCHEMA},
            incidents_url=home.url("incidents"),
            notifier_url=home.url("notifier"),
            token=home.secrets.admin_token,
        )

    async def body(self, supervisor: Supervisor) -> None:
        """Start everything in order, then wait (or let `afterwards` tell its story)."""
        self._view.say("starting NATS and Postgres")
        await supervisor.start(base_specs(self._home))
        await migrate.migrate_all(self._system)
        document = await self._configure()
        if self._request.example:
            await supervisor.start(example.specs(self._home.folder, self._home.ports))
        self._view.say(f"starting {', '.join(SERVICES)}")
        await supervisor.start(service_specs(self._home, document.locations))
        site = Site(self._home, self._system, document, supervisor)
        if self._afterwards is None:
            print(welcome(document, self.addresses(), self._home, with_example=self._request.example), flush=True)
            await supervisor.wait()
        else:
            await self._afterwards(site)

    async def _configure(self) -> "Document":
        """Store the admin's token and make the configuration current."""
        async with admin_bus(self._system) as client:
            js = client.jetstream()
            await store_token(js, self._home.secrets.admin_token, "admin", Role.ADMIN, SystemClock().now())
            if self._document is not None:
                pointer, is_new = await configuration.make_current(js, self._document)
                self._view.say(f"configuration revision {pointer.revision}" + (" applied" if is_new else " is current"))
                return self._document
            applied = await configuration.applied_document(js)
            if applied is None:
                raise Unusable("no configuration yet: give one with -f FILE, or write one with `hypercare init URL`")
            return applied

    def addresses(self) -> dict[str, str]:
        """Everything that answers, by name."""
        home = self._home
        found = {f"{name}_url": home.url(name) for name in ("console", "notifier", "incidents", "prober")}
        found |= {"nats_url": home.nats_url, "database": str(home.postgres.socket_folder)}
        if self._request.example:
            found |= {
                "example_url": example.erp_url(home.ports),
                "example_admin_url": example.erp_admin_url(home.ports),
                "inbox_url": f"{example.sinks_url(home.ports)}/",
                "sinks_url": example.sinks_url(home.ports),
            }
        for service in SERVICES:
            for instance in home.replicas(service):
                found[f"{instance}.ops_url"] = f"http://127.0.0.1:{home.ports.chosen[f'{instance}.ops']}"
        found |= {f"variable.{k}": v for k, v in own_variables(home, with_example=self._request.example).items()}
        return found

    def say_processes(self, processes: Sequence[ProcessMark]) -> None:
        """Keep `runtime.json` true."""
        self._home.folder.write_runtime(self.addresses(), processes)
