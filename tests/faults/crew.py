"""A crew at work on a cluster: probers and evaluators as processes, a steady writer and durable readers in the test.

Everyone is logged in as its own user of the shipped table, and has all three addresses.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final, cast

from faststream.nats import NatsBroker
from nats.errors import Error as NatsError
from pydantic import SecretStr

from services.evaluator.ports import RawRecord
from shared.config import parse, slices
from shared.contracts import Message, PageReceipt, SampleBatch
from shared.contracts.breaches import BreachChanged, BreachCleared, BreachEvent, BreachOpened
from shared.contracts.streams import INCIDENTS_BREACHES, INCIDENTS_RECEIPTS, SAMPLES, STREAMS, Consumer
from shared.kit.broker import Handler, Settler, build_broker, subscribe
from shared.kit.bus import Publisher, connected, declare_all
from shared.kit.clock import SystemClock
from shared.kit.health import Health
from shared.kit.revisions import move_pointer, store_slice
from shared.kit.service import end_tasks
from shared.kit.settings import BusSettings, environment
from tests.contract.messages.examples import EXAMPLES
from tests.fakes.cluster import Cluster
from tests.fakes.embedded import NatsServer
from tests.fakes.keys import BUS_PASSWORDS
from tests.faults.light import Light
from tests.faults.outside import until
from tests.integration.evaluator.stage import Stage

PARTITIONS: Final = 4
SERVICES: Final = ("shop", "desk", "depot", "mill", "till", "yard")
"""They fall into three of the four partitions: a log with nothing to watch is watched as well."""
CHECKS: Final = 6
"""A service; one look a second each."""
PROBERS: Final = 2
WRITE_EVERY_S: Final = 0.05
ALL: Final = len(SERVICES) * CHECKS
RECEIPT: Final = next(one for one in EXAMPLES if isinstance(one, PageReceipt))


def configuration(url: str) -> str:
    """A rule for each check; silence is judged by the shipped defaults."""
    names = [(service, f"{service}-{number}") for service in SERVICES for number in range(CHECKS)]
    services = "\n".join(f"  {service}: {{escalation: mail}}" for service in SERVICES)
    checks = "\n".join(
        f"  {check}: {{service: {service}, every: 1s, timeout: 900ms, http: {{url: '{url}/{check}'}}}}"
        for service, check in names
    )
    rules = "\n".join(
        f"  down-{check}: {{check: {check}, failed: {{at_least: 2, of: 3}}, severity: high, clear: {{ok_in_a_row: 2}}}}"
        for _, check in names
    )
    return f"""version: 1
programme: cluster
timezone: UTC
public_url: http://127.0.0.1:8800
locations: [main]
services:
{services}
checks:
{checks}
rules:
{rules}
people:
  ana: {{name: Ana, timezone: UTC, reach: [{{email: ana@example.org}}]}}
channels:
  email: [{{smtp: {{host: 127.0.0.1, port: 2525, from: pager@example.org}}}}]
escalations:
  mail: {{default: {{steps: [{{notify: [ana]}}]}}}}
evaluation: {{partitions: {PARTITIONS}}}
"""


def settings_of(cluster: Cluster, user: str) -> BusSettings:
    """Its own login on all three nodes."""
    return BusSettings(nats_url=cluster.url, nats_user=user, nats_password=SecretStr(BUS_PASSWORDS[user]))


@dataclass
class Writer:
    """A serial publisher: each message leaves when the bus has acknowledged the one before it."""

    publisher: Publisher
    acknowledged: list[tuple[float, int, str]] = field(default_factory=list)
    """When (own clock), its place in the stream, its id."""

    async def run(self) -> None:
        """Write for ever."""
        while True:
            number = len(self.acknowledged)
            receipt = RECEIPT.model_copy(update={"event_id": f"{number:032x}"})
            stored = await self.publisher.publish(receipt, give_up_s=120)
            self.acknowledged.append((time.monotonic(), stored.sequence, receipt.event_id))
            await asyncio.sleep(WRITE_EVERY_S)

    def longest_gap_s(self, since: float) -> float:
        """Between two acknowledgements, the later one after `since`."""
        times = [at for at, _, _ in self.acknowledged]
        return max((b - a for a, b in pairwise(times) if b > since), default=0.0)


@dataclass
class Reader:
    """What a service's durable consumers were handed, in order."""

    receipts: list[str] = field(default_factory=list)
    breaches: list[BreachEvent] = field(default_factory=list)
    at: list[float] = field(default_factory=list)

    async def take_receipt(self, message: Message) -> None:
        assert isinstance(message, PageReceipt)
        self.at.append(time.monotonic())
        self.receipts.append(message.event_id)

    async def take_breach(self, message: Message) -> None:
        assert isinstance(message, BreachEvent)
        self.breaches.append(message)

    def attach(self, broker: NatsBroker, publisher: Publisher) -> None:
        """Read as the service `incidents` does."""
        table: dict[Consumer, dict[type[Message], Handler]] = {
            INCIDENTS_BREACHES: dict.fromkeys((BreachOpened, BreachChanged, BreachCleared), self.take_breach),
            INCIDENTS_RECEIPTS: {PageReceipt: self.take_receipt},
        }
        for consumer, handlers in table.items():
            subscribe(broker, consumer, Settler(consumer, lambda: publisher, Health(), SystemClock()), handlers)

    def longest_gap_s(self, since: float) -> float:
        """Between two receipts handed over, the later one after `since`."""
        return max((b - a for a, b in pairwise(self.at) if b > since), default=0.0)


class PatientStage(Stage):
    """Asks again where the node that was asked has just gone, or its short-lived consumer has not come up yet."""

    async def raw(self, stream: str, subject: str = ">") -> list[tuple[RawRecord, str]]:
        async def look() -> list[tuple[RawRecord, str]] | None:
            with suppress(NatsError, OSError, TimeoutError):
                return await super(PatientStage, self).raw(stream, subject)
            return None

        return await until(look, f"{stream} can be read")


@dataclass
class Crew:
    """Everyone at work, and what a test asks."""

    cluster: Cluster
    light: Light
    stage: Stage
    writer: Writer
    reader: Reader
    folder: Path
    probers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    since: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    """From this due time on everybody is at work: two probers have shared the checks between them."""

    def start_prober(self, instance: str) -> None:
        """Start a replica the way a container would."""
        env = {
            "HYPERCARE_INSTANCE": instance,
            "HYPERCARE_NATS_URL": self.cluster.url,
            "HYPERCARE_NATS_USER": "prober",
            "HYPERCARE_NATS_PASSWORD": BUS_PASSWORDS["prober"],
            "HYPERCARE_PING_KEY": "a-key-for-tests-only",
        }
        with (self.folder / f"{instance}.log").open("wb") as log:
            argv = [sys.executable, "-m", "services.prober"]
            self.probers.append(subprocess.Popen(argv, env={**environment(), **env}, stdout=log, stderr=log))

    def end(self) -> None:
        """Nothing is left."""
        self.stage.end_all()
        for process in self.probers:
            process.kill()
            process.wait(10)

    @property
    def said(self) -> str:
        """What the replicas logged."""
        return "".join(path.read_text(encoding="utf-8", errors="replace") for path in sorted(self.folder.glob("*.log")))

    async def apply(self) -> None:
        """Make the configuration above the current one for both services."""
        found = slices(parse(configuration(self.light.url), "cluster.yaml", {}))
        digests = {name: slice_.digest() for name, slice_ in found.items()}
        for name in ("prober", "evaluator"):
            await store_slice(self.stage.js, name, digests[name], found[name].model_dump_json().encode())
        await move_pointer(self.stage.js, digests, at="", by="test")

    async def leader_of(self, stream: str) -> str:
        """The node that leads a stream now."""

        async def look() -> str | None:
            with suppress(NatsError, OSError, TimeoutError):
                cluster = (await self.stage.js.stream_info(stream)).cluster
                return cluster.leader if cluster and cluster.leader else None
            return None

        return await until(look, f"{stream} has a leader")

    async def led_by(self, node: str) -> list[str]:
        """The streams that a node leads."""
        return [one.name for one in STREAMS if await self.leader_of(one.name) == node]

    async def log(self) -> list[SampleBatch]:
        """What the probers said, in the log's order."""
        records = [record for record, _ in await self.stage.raw(SAMPLES.name)]
        return [SampleBatch.from_json(one.data) for one in records if one.kind == SampleBatch.ce_type]

    async def read(self, kind: type[BreachEvent], count: int) -> None:
        """Wait until the reader was told of so many opened (or cleared) breaches of each check."""

        async def look() -> bool | None:
            found = {one.event_id for one in self.reader.breaches if isinstance(one, kind)}
            return True if len(found) >= count * ALL else None

        await until(look, f"{count * ALL} times {kind.__name__} (of {len(self.reader.breaches)})")


@asynccontextmanager
async def working_crew(cluster: Cluster, light: Light, folder: Path) -> AsyncIterator[Crew]:
    """Two probers, two evaluators, a writer, a reader; every check has been looked at when the block begins."""
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(connected(settings_of(cluster, "admin"), "test"))
        js = admin.jetstream(timeout=10)
        await declare_all(js, replicas=3)
        notifier = await stack.enter_async_context(connected(settings_of(cluster, "notifier"), "notifier"))
        publisher = Publisher(notifier, "/hypercare/notifier")
        await publisher.start()
        broker = build_broker(settings_of(cluster, "incidents"), "incidents")
        writer, reader = Writer(publisher), Reader()
        reader.attach(broker, publisher)
        stage = PatientStage(cast("NatsServer", cluster), admin, js, publisher, folder)  # it only wants the address
        crew = Crew(cluster, light, stage, writer, reader, folder)
        stack.callback(crew.end)
        await crew.apply()
        await broker.start()
        stack.push_async_callback(broker.stop)
        for number in range(PROBERS):
            crew.start_prober(f"prober-{number}")
            stage.start(f"evaluator-{number}", checkpoint_every_s="2")
        writing = asyncio.create_task(writer.run())
        stack.push_async_callback(end_tasks, [writing])
        await _until_at_work(crew)
        yield crew
        assert not writing.done(), writing


async def _until_at_work(crew: Crew) -> None:
    """Until both probers have looked at something, and every check has been looked at since."""

    async def both() -> datetime | None:
        batches = [one for one in await crew.log() if one.samples]
        newest = max((sample.due_at for one in batches for sample in one.samples), default=None)
        return newest if len({one.prober for one in batches}) == PROBERS else None

    async def all_since() -> bool | None:
        batches = await crew.log()
        return True if len({s.check for one in batches for s in one.samples if s.due_at > since}) == ALL else None

    since = await until(both, "both probers are at work")
    await until(all_since, "every check is looked at")
    crew.since = since + timedelta(seconds=2)
