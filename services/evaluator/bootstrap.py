"""Where the evaluator's adapters meet its owners. Resources close last-in-first-out."""

import asyncio
import contextlib
import gc
import os
from collections.abc import AsyncIterator

from nats.aio.client import Client
from nats.js import JetStreamContext
from pydantic import ValidationError

from services.evaluator.adapters.bus import BusSpeaker, StoredPlans
from services.evaluator.adapters.checkpoints import JetStreamCheckpoints
from services.evaluator.adapters.jetstream_log import JetStreamLog
from services.evaluator.compile import compile_plan
from services.evaluator.driver import Driver
from services.evaluator.owner import Owner, Pace, Wanted
from services.evaluator.settings import Settings
from shared.config import EvaluatorSlice
from shared.kit.addresses import url_for_others
from shared.kit.bus import Publisher, connected, watch_bus
from shared.kit.clock import Clock, SystemClock
from shared.kit.errors import Refused
from shared.kit.health import Health, serving_ops
from shared.kit.ids import start_nonce
from shared.kit.partitions import Beat, Membership
from shared.kit.revisions import Follower, Pointer
from shared.kit.service import Running
from shared.values import Partition

SERVICE = "evaluator"
LOG_ANSWERS_S = 2.0
"""While a leader is elected nobody answers: asking again soon is what a fail-over takes least of."""


class Evaluator:
    """The parts of one replica, and the revision it has taken."""

    def __init__(self, client: Client, publisher: Publisher, settings: Settings, health: Health, clock: Clock) -> None:
        self._client = client
        self._js: JetStreamContext = client.jetstream(timeout=5)
        self._speaker = BusSpeaker(publisher)
        self._plans = StoredPlans(self._js)
        self._settings = settings
        self._health = health
        self._clock = clock
        self.wanted: Wanted | None = None
        self.partitions = 0

    def owner(self, partition: Partition) -> Owner:
        """Make the owner of a partition."""
        settings = self._settings

        def problem(why: str | None) -> None:
            name = f"partition {partition}"
            self._health.broken(name, why) if why else self._health.recovered(name)

        return Owner(
            partition,
            JetStreamLog(self._client, self._client.jetstream(timeout=LOG_ANSWERS_S), partition),
            JetStreamCheckpoints(self._js, partition),
            self._plans,
            self._speaker,
            self._clock,
            Pace(settings.checkpoint_every_s, settings.checkpoint_every_records, settings.tick_after_s),
            lambda: self.wanted,
            problem,
        )

    async def take(self, pointer: Pointer, data: bytes) -> None:
        """Take a revision if every partition of it compiles; it counts from its marker in each log on."""
        try:
            config = EvaluatorSlice.model_validate_json(data)
            plans = [compile_plan(config, Partition(p), pointer.revision) for p in range(config.partitions)]
        except (ValidationError, ValueError) as error:
            raise Refused(f"cannot be evaluated: {error}") from error
        used = frozenset(plan.partition for plan in plans if plan.checks)
        self.wanted = Wanted(pointer.revision, pointer.digests[SERVICE], used)
        self.partitions = config.partitions


@contextlib.asynccontextmanager
async def bootstrap(settings: Settings) -> AsyncIterator[Running]:
    """Everything one replica needs, running; drained when the block ends."""
    clock, health, running = SystemClock(), Health(starting="waiting for the bus", is_asked=False), Running()
    async with contextlib.AsyncExitStack() as stack:
        ops_port = await stack.enter_async_context(serving_ops(health, settings.ops_host, settings.ops_port))
        client = await stack.enter_async_context(connected(settings, SERVICE))
        publisher = Publisher(client, f"/hypercare/{SERVICE}")
        await publisher.start()
        facts = {"pid": str(os.getpid()), "ops": url_for_others(settings.ops_host, ops_port, settings.nats_urls[0])}
        membership = Membership(client, publisher, Beat(SERVICE, settings.instance, start_nonce(), 0, facts=facts))
        evaluator = Evaluator(client, publisher, settings, health, clock)
        driver = Driver(membership, evaluator.owner)

        async def take(pointer: Pointer, data: bytes) -> None:
            await evaluator.take(pointer, data)
            driver.partitions = evaluator.partitions
            membership.changed.set()

        follower = Follower(client.jetstream(timeout=5), SERVICE, settings.instance, take)
        watch_bus(health, client)
        health.ready_checks["configuration"] = follower.ready
        running.start(follower.follow_forever(), "configuration")
        running.start(membership.run(), "membership")
        running.start(driver.run(), "driver")
        health.starting = ""
        gc.freeze()  # what is here now lives as long as the process: do not walk it at every collection
        try:
            yield running
        finally:
            health.draining = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(settings.drain_s):
                    await driver.stop()
                    await membership.leave()
