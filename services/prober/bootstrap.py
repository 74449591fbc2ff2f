"""Where the prober is put together; resources are closed last-in-first-out."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

from nats.aio.client import Client
from pydantic import ValidationError

from services.prober.adapters.curl import CurlWeb, find_ca_file
from services.prober.api.pings import ANY_BODY, Pings, pings_app
from services.prober.assignment import Assignment
from services.prober.batches import Outlet
from services.prober.domain.plan import Programme, programme_of
from services.prober.lane import SOURCE, Identity
from services.prober.runner import Caps, Runner
from services.prober.settings import Settings
from shared.config import ProberSlice, SecretMissing
from shared.kit.addresses import url_for_others
from shared.kit.bus import Publisher, connected, require_declared, watch_bus
from shared.kit.clock import Clock, SystemClock
from shared.kit.errors import Refused
from shared.kit.health import Health, serving_ops
from shared.kit.http import bind, serving
from shared.kit.ids import start_nonce
from shared.kit.logging import get_logger
from shared.kit.partitions import Beat, Membership
from shared.kit.revisions import Follower, Pointer, Take
from shared.kit.service import Running, end_tasks
from shared.kit.settings import environment
from shared.values import Location

log = get_logger()


@dataclass(frozen=True)
class Parts:
    """What one replica consists of."""

    runner: Runner
    outlet: Outlet
    pings: Pings
    membership: Membership
    assignment: Assignment


@contextlib.asynccontextmanager
async def bootstrap(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Running]:
    """Start a replica; on the way out finish what is in flight, send what is held, and hand over."""
    clock = clock or SystemClock()
    health, running = Health(starting="waiting for the bus"), Running()
    ca_file = find_ca_file(settings.ca_file)
    async with contextlib.AsyncExitStack() as stack:
        sock = bind(settings.http_host, settings.http_port, shared=settings.http_shared_port)
        stack.callback(sock.close)
        http_port = sock.getsockname()[1]
        ops_port = await stack.enter_async_context(serving_ops(health, settings.ops_host, settings.ops_port))
        web = CurlWeb(ca_file)
        stack.callback(web.close)  # last but for the ports: libcurl waits for name look-ups that still hang
        client = await stack.enter_async_context(connected(settings, "prober"))
        await require_declared(client.jetstream())
        publisher = Publisher(client, SOURCE)
        await publisher.start()
        facts = {
            "pid": str(os.getpid()),
            "ops": url_for_others(settings.ops_host, ops_port, settings.nats_urls[0]),
            "http": url_for_others(settings.http_host, http_port, settings.nats_urls[0]),
        }
        parts = _assemble(settings, clock, health, client, publisher, web, facts)
        follower = Follower(client.jetstream(), "prober", settings.instance, _taking(settings, parts))
        watch_bus(health, client)
        health.ready_checks["config"] = follower.ready
        health.well_checks["bus"] = parts.outlet.trouble  # says more: for how long, and what is buffered
        # On the way out: hand over, finish what is in flight, close the way in, and only then stop sending.
        await stack.enter_async_context(_sending(parts.outlet, running, settings.drain_s / 4))
        await stack.enter_async_context(
            serving(pings_app(parts.pings), sock, drain_s=settings.drain_s / 4, largest_body=ANY_BODY)
        )
        stack.push_async_callback(_hand_over, parts, settings.drain_s / 2)
        running.start(parts.membership.run(), "membership")
        running.start(parts.assignment.run(), "assignment")
        running.start(parts.runner.run(), "runner")
        running.start(follower.follow_forever(), "configuration")
        health.starting = ""
        yield running


def _assemble(
    settings: Settings,
    clock: Clock,
    health: Health,
    client: Client,
    publisher: Publisher,
    web: CurlWeb,
    facts: dict[str, str],
) -> Parts:
    nonce = start_nonce()
    who = Identity(f"{settings.instance}-{nonce}", Location(settings.location))
    outlet = Outlet(who, publisher, clock, room=settings.buffer_samples)
    caps = Caps(settings.max_in_flight, settings.max_in_flight_per_host)
    runner = Runner(clock, web, outlet, health, environment(), caps)
    me = Beat("prober", settings.instance, nonce, 0, group=settings.location, facts=facts)
    membership = Membership(client, publisher, me)
    pings = Pings(settings.ping_key.get_secret_value(), outlet, clock)
    return Parts(runner, outlet, pings, membership, Assignment(membership, runner, outlet))


def _taking(settings: Settings, parts: Parts) -> Take:
    async def take(_: Pointer, data: bytes) -> None:
        try:
            slice_ = ProberSlice.model_validate_json(data)
        except ValidationError as error:
            raise Refused(f"the prober's slice cannot be read: {error.error_count()} errors") from error
        programme = programme_of(slice_)
        _refuse_unless_possible(programme, slice_, Location(settings.location))
        parts.pings.take(programme)
        parts.assignment.take(programme)

    return take


def _refuse_unless_possible(programme: Programme, slice_: ProberSlice, location: Location) -> None:
    """Say at apply what would be missing at three in the morning."""
    if location not in slice_.locations:
        declared = ", ".join(slice_.locations)
        raise Refused(f"this prober's location {location} is not one of the configuration's: {declared}")
    for plan in programme.plans.values():
        for name, secret in plan.secrets.items():
            try:
                secret.resolve(environment())
            except SecretMissing as error:
                raise Refused(f"checks.{plan.check}.http.headers.{name}: {error}") from error


async def _hand_over(parts: Parts, within_s: float) -> None:
    """Say that we leave, so that others take over at once; then let the probes in flight end."""
    await parts.membership.leave()
    await parts.runner.drain(within_s)


@contextlib.asynccontextmanager
async def _sending(outlet: Outlet, running: Running, flush_s: float) -> AsyncIterator[None]:
    """Send batches while the block runs; then send what is still held.

    Not one of the running tasks, which end before anything is drained; those only watch over it.
    """
    sending = asyncio.create_task(outlet.run(), name="outlet")

    async def watch() -> None:
        await asyncio.shield(sending)

    running.start(watch(), "outlet")
    try:
        yield
    finally:
        await end_tasks([sending])
        left = await outlet.flush(flush_s)
        if left:
            log.error("samples_left_behind", count=left, reason="the bus did not take them in time")
