"""Where adapters meet handlers: opens everything in order, and closes it the other way round."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
from fastapi import FastAPI
from faststream.nats import NatsBroker
from nats.aio.client import Client

from services.incidents.acts import Acts
from services.incidents.adapters.configuration import Configuration
from services.incidents.adapters.postgres import SCHEMA, SQL, PostgresStore
from services.incidents.api.app import build_app
from services.incidents.handlers import Handlers
from services.incidents.settings import Settings
from services.incidents.subscribers import attach
from shared.kit.addresses import url_for_others
from shared.kit.broker import Settler, build_broker, stop_taking
from shared.kit.bus import Publisher, require_declared, watch_bus
from shared.kit.clock import SystemClock
from shared.kit.crew import Crew
from shared.kit.due import DueWorker
from shared.kit.health import Health, serving_ops
from shared.kit.http import bind, serving
from shared.kit.ids import start_nonce, uuid7
from shared.kit.in_step import InStep
from shared.kit.outbox import SQL as OUTBOX_SQL
from shared.kit.outbox import Outbox
from shared.kit.partitions import Beat, Membership
from shared.kit.postgres import answers, pool
from shared.kit.revisions import Follower
from shared.kit.service import Running
from shared.kit.tokens import Tokens

SERVICE: Final = "incidents"
SOURCE: Final = "/hypercare/incidents"
MIGRATIONS: Final = Path(__file__).parent / "migrations"


@dataclass(frozen=True)
class Bus:
    """The one connection, and the two ways to use it."""

    broker: NatsBroker
    client: Client
    publisher: Publisher


@contextlib.asynccontextmanager
async def bootstrap(settings: Settings) -> AsyncIterator[Running]:
    """Open the bus, the database and the sockets; yield what runs until it is told to stop."""
    clock, health, configuration = SystemClock(), Health(), Configuration()
    async with contextlib.AsyncExitStack() as stack:
        bus = await _open_bus(stack, settings)
        js = bus.client.jetstream()
        db = await stack.enter_async_context(pool(settings, SCHEMA, SQL, OUTBOX_SQL))

        outbox = Outbox(db, bus.publisher, SOURCE)
        store = PostgresStore(db, outbox, lambda: due.wake())  # noqa: PLW0108  # the worker is made below
        handlers = Handlers(store, configuration.plan, clock, uuid7)
        due = DueWorker(SERVICE, handlers.do_due, store.next_due_at, clock, health)
        acts = Acts(store, configuration.plan, clock)

        follower = Follower(js, SERVICE, settings.instance, configuration.take)
        in_step = InStep(lambda: follower.seen, clock)
        _watch_health(health, bus.client, db, follower, in_step)
        tokens = Tokens(js, settings.token_key.get_secret_value(), clock)
        facts = await _serve(stack, settings, health, build_app(store, acts, configuration.plan, tokens))
        membership = Membership(
            bus.client, bus.publisher, Beat(SERVICE, settings.instance, start_nonce(), 0, facts=facts)
        )
        crew = Crew(settings.breaches_at_once)
        attach(bus.broker, lambda one: Settler(one, lambda: bus.publisher, health, clock), handlers, crew, in_step)

        running = Running(on_stop=[lambda: setattr(health, "draining", True), due.stop])
        stack.push_async_callback(outbox.drain)
        stack.push_async_callback(membership.leave)
        stack.push_async_callback(stop_taking, bus.broker, crew, settings.drain_s)
        running.start(follower.follow_forever(), "configuration")
        running.start(membership.run(), "membership")
        running.start(outbox.sweep_forever(), "outbox")
        running.start(_work(bus.broker, configuration, due), "work")
        yield running


async def _open_bus(stack: contextlib.AsyncExitStack, settings: Settings) -> Bus:
    """Connect; what we need there has been declared by `hypercare migrate`."""
    broker = build_broker(settings, SERVICE)
    client: Client = await broker.connect()
    stack.push_async_callback(broker.stop)
    await require_declared(client.jetstream())
    publisher = Publisher(client, SOURCE)
    await publisher.start()
    return Bus(broker, client, publisher)


async def _serve(stack: contextlib.AsyncExitStack, settings: Settings, health: Health, api: FastAPI) -> dict[str, str]:
    """Open the two sockets; returns what others are told of us."""
    ops_port = await stack.enter_async_context(serving_ops(health, settings.ops_host, settings.ops_port))
    sock = bind(settings.http_host, settings.http_port, shared=settings.http_shared_port)
    await stack.enter_async_context(serving(api, sock, drain_s=settings.drain_s))
    return {
        "pid": str(os.getpid()),
        "ops": url_for_others(settings.ops_host, ops_port, settings.nats_urls[0]),
        "http": url_for_others(settings.http_host, sock.getsockname()[1], settings.nats_urls[0]),
    }


async def _work(broker: NatsBroker, configuration: Configuration, due: DueWorker) -> None:
    """Without a configuration nobody knows whom to page: messages wait in their streams until there is one."""
    await configuration.taken.wait()
    await broker.start()
    await due.run()
    await asyncio.Event().wait()  # told to stop: not an end of its own


def _watch_health(health: Health, client: Client, db: asyncpg.Pool, follower: Follower, in_step: InStep) -> None:
    async def database() -> str | None:
        return await answers(db)

    watch_bus(health, client)
    health.ready_checks["database"] = database
    health.ready_checks["configuration"] = follower.ready
    health.well_checks["revision"] = in_step.well
