"""Many checks a second with a rule each, and what was heard while replicas came and went."""

import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from nats.aio.msg import Msg

from shared.contracts import OpenSet, SampleBatch
from shared.contracts.breaches import BreachEvent
from tests.faults.checks import everything_is_said, ledger_is_whole, sinks_agree
from tests.faults.outside import Outside, until
from tests.faults.replay import verdicts_of_the_log
from tests.faults.story import Story


@dataclass(frozen=True)
class Load:
    """So many services with so many checks each, one look a second, all at one target."""

    services: int
    checks: int

    def configuration(self, url: str) -> str:
        """A rule a check; all rules of a service have one symptom, and so one incident."""
        each = [(f"s{n}", f"s{n}-c{m}") for n in range(self.services) for m in range(self.checks)]
        services = "\n".join(f"  s{n}: {{escalation: mail}}" for n in range(self.services))
        checks = "\n".join(
            f"  {check}: {{service: {service}, every: 1s, timeout: 900ms,"
            f" http: {{url: '{url}/{service}/{check}', expect: {{status: 200}}}}}}"
            for service, check in each
        )
        rules = "\n".join(
            f"  down-{check}: {{check: {check}, failed: {{at_least: 2, of: 3}}, severity: high,"
            f" symptom: down-{service}, clear: {{ok_in_a_row: 2}}}}"
            for service, check in each
        )
        return _FRAME.format(services=services, checks=checks, rules=rules)

    async def all_have(self, story: Story, count: int) -> None:
        """Wait until every check has so many verdicts since the story began."""

        async def look() -> bool | None:
            found = await verdicts(story)
            return True if len(found) == self.services * self.checks and _least(found) >= count else None

        await until(look, f"every check has {count} verdicts")

    async def all_open(self, house: Outside) -> None:
        """Wait until every breach is in its service's incident."""

        async def look() -> bool | None:
            breaches = sum(one["open_breaches"] for one in await open_incidents(house))
            return True if breaches == self.services * self.checks else None

        try:
            await until(look, "every breach has its incident")
        except AssertionError as error:
            found = {one["name"]: one["open_breaches"] for one in await open_incidents(house)}
            raise AssertionError(f"{error}: {found}") from error

    async def is_whole(self, story: Story) -> None:
        """What was said is what a fresh engine says of the log; one incident a service; pages by the ledger."""
        log = await story.house.last("SAMPLES")
        found = await verdicts(story)
        expected = await verdicts_of_the_log(story.house, log)
        for key, said in found.items():
            kinds, revs = [kind for kind, _ in said], [rev for _, rev in said]
            assert kinds == expected[key], f"{key}: the log says {expected[key]}, what was said is {kinds}"
            assert revs == sorted(set(revs)), (key, said)
        assert found.keys() == expected.keys()
        assert len(await open_incidents(story.house)) == self.services
        await everything_is_said(story.house)
        await sinks_agree(story, await ledger_is_whole(story))
        assert not await story.said("DEAD")


_FRAME = """version: 1
programme: load
timezone: UTC
public_url: ${{HYPERCARE_URL:-http://127.0.0.1:8800}}
locations: [main]
services:
{services}
checks:
{checks}
rules:
{rules}
people:
  ana: {{name: Ana, timezone: UTC, reach: [{{email: ana@example.org}}, {{sms: '+4915112345678'}}]}}
channels:
  email:
    - smtp: {{host: '${{SINK_HOST:-127.0.0.1}}', port: '${{SINK_SMTP_PORT:-2525}}', starttls: false, from: p@e.org}}
  sms: [{{twilio: {{account: env:TWILIO_SID, token: env:TWILIO_TOKEN, from: '+4930123456', api_url: '${{SINK_URL}}'}}}}]
escalations:
  mail: {{default: {{steps: [{{notify: [ana], wait: 10m}}]}}}}
workflow:
  resolution: {{watch: 10m}}
evaluation: {{restate_every: 1s}}
"""


@dataclass
class Watch:
    """When each source and each partition was last heard of, by our own clock."""

    states: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    batches: dict[int, list[tuple[float, str]]] = field(default_factory=lambda: defaultdict(list))

    async def hear(self, msg: Msg) -> None:
        """Take a message."""
        now = time.monotonic()
        if msg.subject.startswith("hc.open."):
            self.states[OpenSet.from_json(msg.data).source].append(now)
        elif not msg.subject.endswith(".control.owner"):
            batch = SampleBatch.from_json(msg.data)
            if batch.samples:
                self.batches[batch.partition].append((now, batch.prober))

    def take_over(self, service: str, name: str, killed_at: float) -> dict[str, float]:
        """Seconds from the last word before the kill to the first after, for what the dead replica spoke for."""
        gaps: dict[str, float] = {}
        if service == "prober":
            for partition, batches in self.batches.items():
                before = [who for at, who in batches if at <= killed_at]
                if before and before[-1].startswith(f"{name}-"):
                    last = max(at for at, who in batches if who == before[-1])
                    after = [at for at, _ in batches if at > last]
                    if after:
                        gaps[f"partition {partition}"] = after[0] - last
        if service == "evaluator":
            for source, heard in self.states.items():
                around = [at for at in heard if killed_at - 3 < at < killed_at + 20]
                widest = max((b - a for a, b in pairwise(around)), default=0.0)
                if widest > 1.6:
                    gaps[source] = widest
        return gaps


@contextlib.asynccontextmanager
async def watching(house: Outside) -> AsyncIterator[Watch]:
    """Listen while the block runs."""
    watch = Watch()
    async with house.bus() as client:
        await client.subscribe("hc.open.v1.*", cb=watch.hear)
        await client.subscribe("hc.samples.v1.>", cb=watch.hear)
        yield watch


async def verdicts(story: Story) -> dict[str, list[tuple[str, int]]]:
    """Kind and rev of what was said since the story began, by key."""
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for one in await story.said("BREACHES"):
        assert isinstance(one.message, BreachEvent)
        found[one.message.key.text].append((one.subject.rpartition(".")[2], one.message.rev))
    return found


def _least(found: dict[str, list[tuple[str, int]]]) -> int:
    return min(map(len, found.values()))


async def open_incidents(house: Outside) -> list[dict[str, Any]]:
    """All of them."""
    found: list[dict[str, Any]] = await house.incidents("?state=open&limit=1000")
    return found
