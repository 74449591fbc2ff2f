"""Brings an installation up and keeps it up: folder, ports, servers, schema, configuration, services, welcome."""

import sys
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

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
from cli.runtime.welcome import Screen, command_for, welcome
from cli.system import SCHEMAS, System, admin_bus
from shared.config import missing_of
from shared.kit.clock import SystemClock
from shared.kit.errors import Unusable
from shared.kit.revisions import read_answers
from shared.kit.settings import environment

if TYPE_CHECKING:
    from nats.js import JetStreamContext

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


CONFIGURED: Final = "configured"
"""A file of the data folder: there once a configuration is current; holds the path it was read from."""

Afterwards = Callable[[Site], Awaitable[None]]


async def run(request: Request, afterwards: Afterwards | None = None, *, quiet: bool = False) -> None:
    """Run a site until a signal, or until `afterwards` returns. Raises Unusable with words for what cannot start."""
    folder = DataFolder.open(request.data, SystemClock())
    try:
        home = _prepare(folder, request)
        document = _read(request, home)
        view = LogView(_no_output if quiet else _write, is_terminal=sys.stderr.isatty(), now=SystemClock().now)
        view.shown_from = "warning"
        for remark in home.ports.remarks:
            view.say(remark, "warning")
        for orphan in folder.ended_orphans:
            view.say(f"ended {orphan.name} (process {orphan.pid}), left by a run that was killed", "warning")
        starting = _Starting(home, request, document, view, afterwards)
        await supervise(starting.body, view, starting.say_processes)
        view.say(f"stopped; everything is kept in {folder.path}")
    finally:
        folder.close()


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def _no_output(_: str) -> None:
    """For a demo that speaks for itself."""


def has_configuration(data: Path) -> bool:
    """Whether an earlier `up` on this folder made a configuration current."""
    try:
        return (data / CONFIGURED).is_file()
    except OSError:
        return False


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
    file = request.file
    if file is None and request.example and _has_moved(home.ports, *example.USUAL_PORTS):
        file = Path((home.folder.path / CONFIGURED).read_text(encoding="utf-8"))  # it names the old ports
    if file is None:
        return None
    return configuration.load_or_leave(
        file,
        variables=own_variables(home, with_example=request.example),
        secrets_from={**environment(), **home.extra_env},
    )


def _has_moved(ports: Ports, *names: str) -> bool:
    """Whether one of these had another port on the last run."""
    return any(ports.remembered.get(name, ports.chosen[name]) != ports.chosen[name] for name in names)


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
        self._secrets: Mapping[str, Collection[str]] = {}

    @property
    def _system(self) -> System:
        home = self._home
        return System(
            nats_url=home.nats_url,
            nats_user="admin",
            nats_password=home.secrets.bus["admin"],
            database_urls={name: home.postgres.dsn(name) for name in SCHEMAS},
            incidents_url=home.url("incidents"),
            notifier_url=home.url("notifier"),
            token=home.secrets.admin_token,
            token_key=home.secrets.token_key,
        )

    async def body(self, supervisor: Supervisor) -> None:
        """Start everything in order, then wait (or let `afterwards` tell its story)."""
        first = base_specs(self._home)
        if self._request.example:
            first += example.specs(self._home.folder, self._home.ports)
        self._view.say(f"starting {', '.join(spec.name for spec in first)}")
        await supervisor.start(first)
        await migrate.migrate_all(self._system)
        document = await self._configure()
        services = service_specs(self._home, document.locations, self._secrets)
        self._view.say(f"starting {', '.join(spec.name for spec in services)}")
        await supervisor.start(services)
        site = Site(self._home, self._system, document, supervisor)
        if self._afterwards is None:
            command = command_for(self._home.folder.path)
            screen = Screen(document, self.addresses(), command, self._login(), with_example=self._request.example)
            print(welcome(screen), flush=True)
            self._view.shown_from = "info"
            await supervisor.wait()
        else:
            await self._afterwards(site)

    async def _configure(self) -> "Document":
        """Make the configuration current."""
        async with admin_bus(self._system) as client:
            js = client.jetstream()
            document = self._document or await self._last_applied(js)
            if self._document is None:
                await self._say_missing_secrets(js, document)
            pointer, is_new = await configuration.make_current(js, document)
            self._secrets = await configuration.named_variables(js, pointer)
        self._view.say(f"configuration revision {pointer.revision}" + (" applied" if is_new else " is current"))
        if self._request.file is not None:
            (self._home.folder.path / CONFIGURED).write_text(str(self._request.file.absolute()), encoding="utf-8")
        return document

    async def _say_missing_secrets(self, js: "JetStreamContext", document: "Document") -> None:
        """A service without its secrets refuses the configuration: it needs an older one that it can go back to."""
        data = document.model_dump(mode="json", by_alias=True)
        able = {one.service for one in await read_answers(js) if one.works_by and not one.taken}
        for service, words in missing_of(data, {**environment(), **self._home.extra_env}).items():
            if service not in able:
                raise Unusable("\n".join(["the last applied configuration cannot be used:", *words]))
            self._view.say(f"{service} goes on with its last good configuration: {'; '.join(words)}", "warning")

    async def _last_applied(self, js: "JetStreamContext") -> "Document":
        """The current document; where it holds our own address, the present one."""
        applied = await configuration.applied_document(js)
        if applied is None:
            raise Unusable("no configuration yet: give one with -f FILE, or write one with `hypercare init URL`")
        old_port = self._home.ports.remembered.get("notifier")
        if applied.public_url == f"http://127.0.0.1:{old_port}" and _has_moved(self._home.ports, "notifier"):
            new = self._home.url("notifier")
            self._view.say(f"links in pages lead to {new} from now on; those sent before are dead", "warning")
            return applied.model_copy(update={"public_url": new})
        return applied

    def _login(self) -> str:
        """How one gets into the console: on a terminal by one click, else the token stays in its file."""
        home = self._home
        if sys.stdout.isatty():
            return f"{home.url('console')}/#token={home.secrets.admin_token}"
        return f"{home.url('console')}/\n            log in with the token in {home.folder.token_file}"

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
