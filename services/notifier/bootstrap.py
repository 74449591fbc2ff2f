"""The only place where the notifier's adapters meet its handlers."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from faststream.nats import NatsBroker
from nats.aio.client import Client

from services.notifier.adapters.channels.http_answers import build_client
from services.notifier.adapters.directory import SliceDirectory
from services.notifier.adapters.postgres import SQL, PostgresLedger
from services.notifier.api.app import Doors, build_app
from services.notifier.couriers import Courier
from services.notifier.handlers import Desk, look_at_pages
from services.notifier.ports import Directory, Ledger
from services.notifier.settings import Settings
from services.notifier.subscribers import handlers
from shared.config.slice_models import NotifierSlice
from shared.contracts.streams import NOTIFIER_PAGES
from shared.kit.addresses import url_for_others
from shared.kit.broker import Settler, build_broker, stop_taking, subscribe
from shared.kit.bus import Publisher, require_declared, watch_bus
from shared.kit.clock import Clock, SystemClock
from shared.kit.crew import Crew
from shared.kit.due import DueWorker
from shared.kit.errors import Refused
from shared.kit.health import Health, serving_ops
from shared.kit.http import bind, serving
from shared.kit.ids import start_nonce
from shared.kit.in_step import InStep
from shared.kit.logging import get_logger
from shared.kit.outbox import SQL as OUTBOX_SQL
from shared.kit.outbox import Outbox
from shared.kit.partitions import Beat, Membership
from shared.kit.postgres import answers, pool
from shared.kit.revisions import Follower, Pointer, Take
from shared.kit.service import Running
from shared.kit.tokens import Tokens

log = get_logger()

SOURCE: Final = "/hypercare/notifier"
KINDS: Final = ("email", "sms", "chat", "webhook")


@contextlib.asynccontextmanager
async def bootstrap(settings: Settings) -> AsyncIterator[Running]:
    """Open everything, in the order it is needed; close it last-in-first-out."""
    clock, health, running = SystemClock(), Health(), Running()
    async with contextlib.AsyncExitStack() as stack:
        db = await stack.enter_async_context(pool(settings, "notifier", SQL, OUTBOX_SQL))
        broker, client, publisher = await _open_bus(stack, settings)
        js = client.jetstream()

        outbox = Outbox(db, publisher, SOURCE)
        stack.push_async_callback(outbox.drain)
        http = await stack.enter_async_context(build_client(settings.send_deadline_s - 1))
        directory = SliceDirectory(http, clock, timeout_s=settings.send_deadline_s - 1)
        ledger = PostgresLedger(db, outbox)
        staff = _hire(settings, ledger, directory, clock, health)
        for one in staff.couriers.values():
            stack.push_async_callback(one.drain, settings.drain_s)

        configured = asyncio.Event()
        follower = Follower(js, "notifier", settings.instance, _taking(directory, configured))
        in_step = InStep(lambda: follower.seen, clock)
        watch_bus(health, client)
        health.well_checks["revision"] = in_step.well
        health.ready_checks |= {"database": lambda: answers(db), "configuration": follower.ready}

        tokens = Tokens(js, settings.token_key.get_secret_value(), clock)
        facts = await _serve(stack, settings, health, Doors(staff.desk, directory, tokens))
        members = Membership(client, publisher, Beat("notifier", settings.instance, start_nonce(), 0, facts=facts))
        stack.push_async_callback(members.leave)

        released = await ledger.release(settings.instance, clock.now())
        if released:
            log.info("own_claims_released", count=released)
        crew = Crew(settings.intake_at_once)
        settler = Settler(NOTIFIER_PAGES, lambda: publisher, health, clock)
        subscribe(broker, NOTIFIER_PAGES, settler, handlers(staff.desk, in_step), crew)
        stack.push_async_callback(stop_taking, broker, crew, settings.drain_s / 2)

        running.on_stop += [lambda: setattr(health, "draining", True), staff.stop]
        running.start(follower.follow_forever(), "configuration")
        running.start(members.run(), "membership")
        running.start(outbox.sweep_forever(), "outbox")
        running.start(_work(broker, configured, staff.workers), "work")
        log.info("listening", **facts)
        yield running


async def _open_bus(stack: contextlib.AsyncExitStack, settings: Settings) -> tuple[NatsBroker, Client, Publisher]:
    """Connect; what we need there has been declared by `hypercare migrate`."""
    broker = build_broker(settings, "notifier")
    stack.push_async_callback(broker.stop)
    client: Client = await broker.connect()
    publisher = Publisher(client, SOURCE)
    await publisher.start()
    await require_declared(client.jetstream())
    return broker, client, publisher


@dataclass(frozen=True)
class _Staff:
    """The desk, the couriers it hands pages to, and who wakes them in time."""

    desk: Desk
    couriers: dict[str, Courier]
    workers: list[DueWorker]

    def stop(self) -> None:
        """Begin nothing more."""
        for worker in self.workers:
            worker.stop()


def _hire(settings: Settings, ledger: Ledger, directory: Directory, clock: Clock, health: Health) -> _Staff:
    couriers: dict[str, Courier] = {}
    workers: dict[str, DueWorker] = {}
    key = settings.link_key.get_secret_value().encode()
    desk = Desk(ledger, directory, clock, key, lambda kind: workers[kind].wake())
    for kind in KINDS:
        one = couriers[kind] = Courier(kind, desk, settings.terms, health)
        workers[kind] = DueWorker(kind, one.do_due, one.next_due, clock, health)
    looker = DueWorker("pages", lambda now: look_at_pages(desk, now), ledger.next_look, clock, health)
    return _Staff(desk, couriers, [*workers.values(), looker])


async def _serve(stack: contextlib.AsyncExitStack, settings: Settings, health: Health, doors: Doors) -> dict[str, str]:
    """Answer machines and people until the stack closes; returns where, for `hypercare status`."""
    ops_port = await stack.enter_async_context(serving_ops(health, settings.ops_host, settings.ops_port))
    sock = bind(settings.http_host, settings.http_port, shared=settings.http_shared_port)
    await stack.enter_async_context(serving(build_app(doors), sock))
    bus = settings.nats_urls[0]
    return {
        "pid": str(os.getpid()),
        "ops": url_for_others(settings.ops_host, ops_port, bus),
        "http": url_for_others(settings.http_host, sock.getsockname()[1], bus),
    }


async def _work(broker: NatsBroker, configured: asyncio.Event, workers: list[DueWorker]) -> None:
    """Begin to work once there is a configuration: before that nobody could be reached."""
    await configured.wait()
    await broker.start()
    await asyncio.gather(*(one.run() for one in workers))
    await asyncio.Event().wait()  # stopped workers mean that the service is draining


def _taking(directory: SliceDirectory, configured: asyncio.Event) -> Take:
    async def take(_: Pointer, data: bytes) -> None:
        try:
            config = NotifierSlice.model_validate_json(data)
        except ValueError as error:
            raise Refused(f"the slice cannot be read: {error}") from error
        directory.take(config)
        configured.set()

    return take
