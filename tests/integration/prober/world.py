"""A prober as bootstrapped, on a real bus, in the event loop of the test."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

import httpx
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from pydantic import SecretStr

from services.prober.bootstrap import bootstrap
from services.prober.settings import Settings
from shared.config import ProberSlice
from shared.config.checks import CheckKind
from shared.config.slice_models import HeartbeatProbe, HttpProbe, ProbeCheck
from shared.contracts import SampleBatch
from shared.contracts.streams import SAMPLES, SLICES
from shared.kit.clock import Clock
from shared.kit.partitions import read_members
from shared.kit.revisions import move_pointer, store_slice
from shared.kit.service import end_tasks
from shared.values import CheckId, Location, Outcome, Partition, ServiceId
from tests.fakes.embedded import NatsServer

PING_KEY = "a-key-for-tests-only"


def http_check(url: str, *, every_ms: int = 200, partition: int = 3) -> ProbeCheck:
    http = HttpProbe(
        url=url,
        method="GET",
        headers={},
        secret_headers={},
        statuses=(200,),
        response_headers={},
        contains=(),
        regexes=(),
        json_conditions=(),
        read={},
        max_redirects=3,
        verify_tls=True,
    )
    every = timedelta(milliseconds=every_ms)
    return ProbeCheck(
        service=ServiceId(f"service-{partition}"),
        partition=Partition(partition),
        kind=CheckKind.HTTP,
        every=every,
        timeout=min(every, timedelta(seconds=2)),
        http=http,
    )


def heartbeat_check(*, partition: int = 5) -> ProbeCheck:
    beat = HeartbeatProbe(every=timedelta(hours=24), grace=timedelta(hours=1))
    return ProbeCheck(
        service=ServiceId("jobs"),
        partition=Partition(partition),
        kind=CheckKind.HEARTBEAT,
        every=beat.every,
        timeout=timedelta(),
        heartbeat=beat,
    )


def slice_of(**checks: ProbeCheck) -> ProberSlice:
    named = {CheckId(name.replace("_", "-")): check for name, check in checks.items()}
    return ProberSlice(programme="test", locations=(Location("main"),), partitions=16, checks=named)


@dataclass
class Record:
    """One message of the log, as stored."""

    msg_id: str
    subject: str
    batch: SampleBatch


@dataclass
class Bus:
    """A fresh bus with everything declared, and a client of the test's own."""

    server: NatsServer
    client: Client
    js: JetStreamContext
    _read: list[Record] = field(default_factory=list)

    async def apply(self, wanted: ProberSlice) -> None:
        """Make this the current revision."""
        digest = wanted.digest()
        await store_slice(self.js, "prober", digest, wanted.model_dump_json().encode())
        await move_pointer(self.js, dict.fromkeys(SLICES, digest), at="2026-11-24T09:00:00Z", by="test")

    async def log(self) -> list[Record]:
        """Every batch in the log, in order."""
        while True:
            try:
                msg = await self.js.get_msg(SAMPLES.name, len(self._read) + 1)
            except NotFoundError:
                return list(self._read)
            msg_id = (msg.headers or {})["Nats-Msg-Id"]
            self._read.append(Record(msg_id, msg.subject or "", SampleBatch.from_json(msg.data or b"")))

    async def members(self) -> set[str]:
        """Who has ever beaten and is not leaving."""
        return {beat.instance for beat in await read_members(self.client, "prober") if not beat.leaving}


@dataclass
class Replica:
    """One running prober."""

    ops: str
    http: str

    async def ready(self) -> dict[str, str]:
        """What is wrong; empty when ready."""
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            problems: dict[str, str] = (await client.get(f"{self.ops}/readyz")).json()["problems"]
            return problems


def settings_for(server: NatsServer, instance: str, **more: int) -> Settings:
    return Settings.model_validate(
        {"nats_url": server.url, "instance": instance, "ping_key": SecretStr(PING_KEY), "drain_s": 4.0, **more}
    )


@contextlib.asynccontextmanager
async def running_prober(
    bus: Bus, instance: str = "prober-0", clock: Clock | None = None, **more: int
) -> AsyncIterator[Replica]:
    """Run a replica the way `run_service` does, without the signals."""
    async with bootstrap(settings_for(bus.server, instance, **more), clock) as running:
        try:
            facts = await _facts(bus, instance)
            yield Replica(facts["ops"], facts["http"])
            ended = [task for task in running.tasks if task.done()]
            assert not ended, ended
        finally:
            await end_tasks(running.tasks)


async def _facts(bus: Bus, instance: str) -> dict[str, str]:
    async with asyncio.timeout(10):
        while True:
            for beat in await read_members(bus.client, "prober"):
                if beat.instance == instance:
                    return beat.facts
            await asyncio.sleep(0.02)


async def until(is_true: Callable[[], Awaitable[bool]], limit_s: float = 20.0) -> None:
    async with asyncio.timeout(limit_s):
        while not await is_true():  # the condition is the bus's; nothing here could set an event
            await asyncio.sleep(0.02)


def due_times(records: list[Record], check: str, outcome: Outcome | None = None) -> list[float]:
    """Due times of a check's samples in log order, seconds since the epoch."""
    return [
        sample.due_at.timestamp()
        for record in records
        for sample in record.batch.samples
        if sample.check == check and outcome in {None, sample.outcome}
    ]
