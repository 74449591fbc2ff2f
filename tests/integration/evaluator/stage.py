"""A bus with the real users' rights, a configuration, a prober's voice, and evaluators as real processes."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx
from nats.aio.client import Client
from nats.js import JetStreamContext, api
from pydantic import SecretStr

from services.evaluator.adapters.bus import StoredPlans
from services.evaluator.bootstrap import bootstrap
from services.evaluator.domain.engine import Partition as Engine
from services.evaluator.ports import RawRecord
from services.evaluator.reading import record_of
from services.evaluator.settings import Settings
from services.evaluator.speech import message_of
from shared.config import EvaluatorSlice
from shared.contracts import (
    BreachChanged,
    BreachCleared,
    BreachEvent,
    BreachOpened,
    ConfigApplied,
    Measurement,
    Message,
    OpenSet,
)
from shared.contracts.base import MSG_ID_HEADER, type_in
from shared.kit.bus import Publisher
from shared.kit.clock import SystemClock
from shared.kit.revisions import Pointer, move_pointer, store_slice
from shared.kit.service import Running, end_tasks
from shared.kit.settings import environment
from shared.values import Location, Partition
from tests.fakes.embedded import NatsServer
from tests.integration.evaluator.telling import MAIN, Prober

LIMIT_S: Final = 60.0
"""Generous: on a machine with ten times the work, a process alone takes 20 s to start."""


async def eventually(is_true: Callable[[], Awaitable[bool]], what: str, limit_s: float = LIMIT_S) -> None:
    """Wait for a condition; TimeoutError names it."""
    try:
        async with asyncio.timeout(limit_s):
            while not await is_true():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise TimeoutError(f"{what}: not within {limit_s} s") from None


@dataclass
class Process:
    """One evaluator."""

    popen: subprocess.Popen[bytes]
    log_path: Path
    crash_file: Path

    def kill(self, with_signal: signal.Signals = signal.SIGKILL) -> None:
        self.popen.send_signal(with_signal)
        if with_signal not in {signal.SIGSTOP, signal.SIGCONT}:
            self.popen.wait(15)

    def crash_at(self, point: str, count: int) -> None:
        """Let it kill itself at the count-th arrival at a point from its start."""
        self.crash_file.write_text(f"{point} {count}", encoding="utf-8")

    @property
    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace")


@dataclass
class Stage:
    """Everything a test needs."""

    server: NatsServer
    client: Client
    js: JetStreamContext
    publisher: Publisher
    """The prober's own user."""
    folder: Path
    processes: list[Process] = field(default_factory=list)

    async def apply(self, config: EvaluatorSlice, *, store: bool = True) -> Pointer:
        """Make a configuration the current one."""
        if store:
            await self.store(config)
        return await move_pointer(self.js, {"evaluator": config.digest()}, at="", by="test")

    async def store(self, config: EvaluatorSlice) -> None:
        await store_slice(self.js, "evaluator", config.digest(), config.model_dump_json().encode())

    def prober(self, *, ago_s: float = 100, partition: int = 0, location: str = MAIN) -> Prober:
        """A prober whose second 0 lies a while back, so that series time need not be waited for."""
        start = SystemClock().now().replace(microsecond=0) - timedelta(seconds=ago_s)
        return Prober(self.publisher, start, Partition(partition), Location(location))

    def start(self, instance: str = "evaluator-0", *, armed: tuple[str, int] | None = None, **env: str) -> Process:
        """Start an evaluator the way `hypercare up` does."""
        number = len(self.processes)
        log_path, crash_file = self.folder / f"{number}-{instance}.log", self.folder / f"{number}.crash"
        settings = {
            "HYPERCARE_INSTANCE": instance,
            "HYPERCARE_NATS_URL": self.server.url,
            "HYPERCARE_NATS_USER": "evaluator",
            "HYPERCARE_NATS_PASSWORD": "evaluator-pw",
            "HYPERCARE_CRASH_FILE": str(crash_file),
            "HYPERCARE_DRAIN_S": "4",
            "HYPERCARE_CHECKPOINT_EVERY_S": "0.3",
        }
        with log_path.open("wb") as log:
            popen = subprocess.Popen(
                [sys.executable, "-m", "services.evaluator"],
                env={
                    **environment(),
                    **settings,
                    **{f"HYPERCARE_{name.upper()}": value for name, value in env.items()},
                },
                stdout=log,
                stderr=log,
            )
        process = Process(popen, log_path, crash_file)
        self.processes.append(process)
        if armed is not None:
            process.crash_at(*armed)
        return process

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Running]:
        """An evaluator in this very process, bootstrapped as in its own: where nobody is killed, that is quicker."""
        settings = Settings(
            instance="evaluator-0",
            nats_url=self.server.url,
            nats_user="evaluator",
            nats_password=SecretStr("evaluator-pw"),
            checkpoint_every_s=0.3,
            drain_s=4,
        )
        async with bootstrap(settings) as running:
            yield running
            await end_tasks(running.tasks)

    def end_all(self) -> None:
        for process in self.processes:
            if process.popen.poll() is None:
                process.popen.send_signal(signal.SIGCONT)
                process.kill()

    async def raw(self, stream: str, subject: str = ">") -> list[tuple[RawRecord, str]]:
        """All records of a stream, to the nanosecond (revs are made of them), each with its message id."""
        subscription = await self.js.pull_subscribe(subject, stream=stream, config=_READ_ONLY)
        waiting = (await subscription.consumer_info()).num_pending or 0
        found: list[tuple[RawRecord, str]] = []
        while len(found) < waiting:
            for msg in await subscription.fetch(500, timeout=2):
                tokens = msg.reply.split(".")
                record = RawRecord(int(tokens[5]), int(tokens[7]), type_in(msg.headers), msg.data)
                found.append((record, (msg.headers or {}).get(MSG_ID_HEADER, "")))
        await subscription.unsubscribe()
        return found

    async def breaches(self) -> list[BreachEvent]:
        return [_KINDS[record.kind].from_json(record.data) for record, _ in await self.raw("BREACHES") if record.kind]

    async def told(self) -> list[str]:
        """`opened down`, `cleared down`, in the order stored."""
        return [f"{type(one).__name__.removeprefix('Breach').lower()} {one.key.rule}" for one in await self.breaches()]

    async def open_set(self, partition: int = 0) -> OpenSet | None:
        found = [OpenSet.from_json(record.data) for record, _ in await self.raw("OPEN_SETS")]
        return next((one for one in found if one.source == f"evaluator-{partition}"), None)

    async def measurements(self) -> list[Measurement]:
        return [Measurement.from_json(record.data) for record, _ in await self.raw("MEASUREMENTS")]

    async def until_told(self, *lines: str, limit_s: float = LIMIT_S) -> None:
        """Wait until these verdicts have been stored, whatever else has."""

        async def are_told() -> bool:
            return set(lines) <= set(await self.told())

        await eventually(are_told, f"{lines} in {await self.told()}", limit_s)

    async def until_configured(self, revision: int = 1, partition: int = 0, limit_s: float = LIMIT_S) -> None:
        """Wait for a revision's marker in a partition's log: samples before the first one are set aside."""

        async def is_marked() -> bool:
            records = [record for record, _ in await self.raw("SAMPLES", f"hc.samples.v1.{partition}.control.owner")]
            markers = [ConfigApplied.from_json(one.data) for one in records if one.kind == ConfigApplied.ce_type]
            return any(marker.revision >= revision for marker in markers)

        await eventually(is_marked, f"a marker of revision {revision} in partition {partition}", limit_s)

    async def until_read(self, partition: int = 0, limit_s: float = LIMIT_S) -> None:
        """Wait until all that the log says has been concluded from: what is stored equals what follows from it."""

        async def is_equal() -> bool:
            return await self.is_true_to_its_log(partition)

        await eventually(is_equal, "every verdict of the log and no other", limit_s)

    async def is_true_to_its_log(self, partition: int = 0) -> bool:
        """Whether BREACHES and MEASUREMENTS hold exactly what an undisturbed engine says to the log, ids and all."""
        expected = [message for message in await self.replay(partition) if not isinstance(message, OpenSet)]
        stored = [msg_id for _, msg_id in await self.raw("BREACHES") + await self.raw("MEASUREMENTS")]
        return sorted(stored) == sorted(message.msg_id for message in expected)

    async def replay(self, partition: int = 0) -> list[Message]:
        """What an engine that nobody disturbs says to the log as it is stored."""
        engine, plans = Engine(), StoredPlans(self.js)
        messages: list[Message] = []
        for record, _ in await self.raw("SAMPLES", f"hc.samples.v1.{partition}.>"):
            taken = await record_of(record, Partition(partition), plans, engine.plan)
            outputs = engine.apply(taken)
            revision = engine.plan.revision if engine.plan else None
            said = (message_of(output, Partition(partition), revision) for output in outputs)
            messages += [message for message in said if message is not None]
        return messages

    async def ask(self, pid: int, path: str) -> httpx.Response | None:
        """One of its ops endpoints, by the port in its heartbeat; None while it has none."""
        for record, _ in await self.raw("KV_members"):
            if f'"pid": "{pid}"'.encode() in record.data:
                url = record.data.decode().split('"ops": "')[1].split('"')[0]
                async with httpx.AsyncClient() as http:
                    return await http.get(url + path)
        return None


_READ_ONLY: Final = api.ConsumerConfig(ack_policy=api.AckPolicy.NONE, inactive_threshold=5.0, mem_storage=True)
_KINDS: Final[dict[str, type[BreachEvent]]] = {one.ce_type: one for one in (BreachOpened, BreachChanged, BreachCleared)}
