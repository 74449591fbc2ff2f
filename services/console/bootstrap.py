"""Where the console is put together, and taken apart last in, first out."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
from nats.aio.client import Client
from prometheus_client import Gauge
from pydantic import ValidationError

from services.console.adapters.bus import HISTORY, SOURCES, Hearing, StreamReader, follow_samples
from services.console.adapters.incidents_api import IncidentsApi
from services.console.live import Live
from services.console.model import ReadModel
from services.console.settings import Settings
from services.console.web.app import Desk, console_app
from services.console.web.render import Renderer, read_static
from services.console.web.views import Views, shape_of
from services.console.web.visitors import Visitors
from shared.config.slice_models import ConsoleSlice
from shared.contracts import Message
from shared.kit.addresses import url_for_others
from shared.kit.bus import Publisher, connected, watch_bus
from shared.kit.clock import SystemClock
from shared.kit.errors import Refused
from shared.kit.health import Health, serving_ops
from shared.kit.http import bind, serving
from shared.kit.logging import get_logger
from shared.kit.partitions import Beat, Membership
from shared.kit.revisions import Follower, Pointer
from shared.kit.service import Running
from shared.kit.tokens import Tokens

log = get_logger()

VIEWERS = Gauge("hypercare_console_viewers", "Pages open now.")
TICK_S = 1.0


@dataclass
class Console:
    """The parts that change while it runs."""

    recheck_every_s: float
    clock: SystemClock = field(default_factory=SystemClock)
    model: ReadModel = field(default_factory=ReadModel)
    views: Views = field(init=False)
    live: Live = field(init=False)
    configured: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.views = Views(self.model, None)
        self.live = Live(self.model, self.clock, self.recheck_every_s)

    async def take_config(self, pointer: Pointer, data: bytes) -> None:
        """Show what this revision watches. Raises Refused."""
        del pointer
        try:
            config = ConsoleSlice.model_validate_json(data)
        except ValidationError as error:
            raise Refused(f"the console cannot read its slice: {error.error_count()} mistakes") from error
        self.views = Views(self.model, config)
        self.live.changed(self.model.configure(shape_of(config), self.clock.now()))
        self.configured.set()

    def take_event(self, event: Message) -> None:
        """Put one event into the picture and tell the open pages."""
        self.live.changed(self.model.apply(event, self.clock.now()))

    async def tick(self, hearing: Hearing) -> None:
        """Let time pass, once a second."""
        while True:
            await hearing.look()
            self.live.changed(self.model.tick(self.clock.now(), is_deaf=hearing.is_deaf))
            VIEWERS.set(self.live.viewers)
            await asyncio.sleep(TICK_S)

    def read(self, client: Client, running: Running) -> None:
        """Read what happened and what happens, each stream by itself.

        The checks' history waits for the configuration that names them. No task group: it cancels its children once,
        and once may be swallowed (see `end_tasks`).
        """
        readers: list[StreamReader] = []

        def caught_up() -> None:
            if not self.model.is_loaded and all(reader.is_caught_up for reader in readers):
                self.live.changed(self.model.loaded())
                log.info("replayed")

        readers += [StreamReader(client, source, self.take_event, self.clock.now, caught_up) for source in SOURCES]
        for source, reader in zip(SOURCES, readers, strict=True):
            running.start(reader.run(), f"read {source.stream.name}")
        history = StreamReader(client, HISTORY, self.take_event, self.clock.now, lambda: None)
        running.start(self._read_history(history), "read history")

    async def _read_history(self, history: StreamReader) -> None:
        await self.configured.wait()
        await history.run()


@contextlib.asynccontextmanager
async def bootstrap(settings: Settings) -> AsyncIterator[Running]:
    """Start the console; it serves its page at once and fills it as the bus answers."""
    console, running, health = Console(settings.console_recheck_s), Running(), Health()
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(connected(settings, "console"))
        publisher = Publisher(client, "/hypercare/console")
        await publisher.start()
        js = client.jetstream()
        http = await stack.enter_async_context(
            httpx.AsyncClient(base_url=settings.incidents_url, timeout=settings.neighbour_timeout_s, trust_env=False)
        )
        desk = _desk(
            console,
            settings,
            Visitors(Tokens(js, settings.token_key.get_secret_value(), console.clock), console.clock),
            IncidentsApi(http),
        )
        sock = bind(settings.http_host, settings.http_port, shared=settings.http_shared_port)
        await stack.enter_async_context(serving(console_app(desk), sock, drain_s=settings.drain_s))
        follower = Follower(js, "console", settings.instance, console.take_config)
        _watch_health(health, client, follower, console)
        ops_port = await stack.enter_async_context(serving_ops(health, settings.ops_host, settings.ops_port))
        where = {
            "pid": str(os.getpid()),
            "ops": url_for_others(settings.ops_host, ops_port, settings.nats_urls[0]),
            "http": url_for_others(settings.http_host, sock.getsockname()[1], settings.nats_urls[0]),
        }
        beat = Beat("console", settings.instance, secrets.token_hex(4), 0, facts=where)
        membership = Membership(client, publisher, beat)
        stack.push_async_callback(membership.leave)
        await follow_samples(client, console.take_event)
        running.start(follower.follow_forever(), "config")
        running.start(membership.run(), "membership")
        console.read(client, running)
        running.start(console.tick(Hearing(client)), "tick")
        running.on_stop += [console.live.close, lambda: setattr(health, "draining", True)]
        log.info("console_serving", url=where["http"])
        try:
            yield running
        finally:
            console.live.close()


def _desk(console: Console, settings: Settings, visitors: Visitors, incidents: IncidentsApi) -> Desk:
    static = read_static()
    return Desk(
        model=console.model,
        views=lambda: console.views,
        renderer=Renderer(console.model, lambda: console.views, console.live, static),
        live=console.live,
        visitors=visitors,
        incidents=incidents,
        settings=settings,
        clock=console.clock,
        static=static,
    )


def _watch_health(health: Health, client: Client, follower: Follower, console: Console) -> None:
    async def replayed() -> str | None:
        return None if console.model.is_loaded else "still reading what happened"

    watch_bus(health, client)
    health.ready_checks["config"] = follower.ready
    health.ready_checks["replay"] = replayed
