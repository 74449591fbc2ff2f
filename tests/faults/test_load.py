"""Two hundred checks a second on two replicas of everything, and each replica killed in turn."""

import asyncio
import contextlib
import signal
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from nats.aio.msg import Msg

from shared.contracts import OpenSet, SampleBatch
from shared.contracts.breaches import BreachEvent
from tests.faults.checks import everything_is_said, ledger_is_whole, sinks_agree
from tests.faults.house import KILLABLE, PAIRS, House, running_house
from tests.faults.light import Light, running_light
from tests.faults.outside import WITHIN_S, say, until
from tests.faults.replay import verdicts_of_the_log
from tests.faults.story import Story

SERVICES: Final = 8
CHECKS: Final = 25
"""A service; one look a second each."""


def configuration(url: str) -> str:
    """200 checks with a rule each; all rules of a service have one symptom, and so one incident."""
    services = "\n".join(f"  s{n}: {{escalation: mail}}" for n in range(SERVICES))
    checks = "\n".join(
        f"  s{n}-c{m}: {{service: s{n}, every: 1s, timeout: 900ms,"
        f" http: {{url: '{url}/s{n}/c{m}', expect: {{status: 200}}}}}}"
        for n in range(SERVICES)
        for m in range(CHECKS)
    )
    rules = "\n".join(
        f"  down-s{n}-c{m}: {{check: s{n}-c{m}, failed: {{at_least: 2, of: 3}}, severity: high, symptom: down-s{n},"
        " clear: {ok_in_a_row: 2}}"
        for n in range(SERVICES)
        for m in range(CHECKS)
    )
    return f"""version: 1
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
  email: [{{smtp: {{host: 127.0.0.1, port: '${{SINK_SMTP_PORT}}', from: pager@example.org}}}}]
  sms: [{{twilio: {{account: env:TWILIO_SID, token: env:TWILIO_TOKEN, from: '+4930123456', api_url: '${{SINK_URL}}'}}}}]
escalations:
  mail: {{default: {{steps: [{{notify: [ana], wait: 10m}}]}}}}
workflow:
  resolution: {{watch: 10m}}
evaluation: {{restate_every: 1s}}
"""


@pytest.fixture
def light() -> Iterator[Light]:
    with running_light() as light:
        yield light


@pytest.fixture
def house(light: Light, tmp_path: Path) -> Iterator[House]:
    file = tmp_path / "load.yaml"
    file.write_text(configuration(light.url), encoding="utf-8")
    with running_house(PAIRS, file) as house:
        yield house


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
                before = [(at, who) for at, who in batches if at <= killed_at]
                after = [(at, who) for at, who in batches if at > killed_at + 0.1]
                if before and after and before[-1][1].startswith(f"{name}-"):
                    gaps[f"partition {partition}"] = after[0][0] - before[-1][0]
        if service == "evaluator":
            for source, heard in self.states.items():
                around = [at for at in heard if killed_at - 3 < at < killed_at + 20]
                widest = max((b - a for a, b in pairwise(around)), default=0.0)
                if widest > 1.6:
                    gaps[source] = widest
        return gaps


@contextlib.asynccontextmanager
async def watching(house: House) -> AsyncIterator[Watch]:
    watch = Watch()
    async with house.bus() as client:
        await client.subscribe("hc.open.v1.*", cb=watch.hear)
        await client.subscribe("hc.samples.v1.>", cb=watch.hear)
        yield watch


async def verdicts(story: Story) -> dict[str, list[tuple[str, int]]]:
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for one in await story.said("BREACHES"):
        assert isinstance(one.message, BreachEvent)
        found[one.message.key.text].append((one.subject.rpartition(".")[2], one.message.rev))
    return found


async def all_have(story: Story, count: int) -> None:
    async def look() -> bool | None:
        found = await verdicts(story)
        done = len(found) == SERVICES * CHECKS and all(len(said) >= count for said in found.values())
        return True if done else None

    await until(look, f"every check has {count} verdicts", WITHIN_S)


async def open_incidents(house: House) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await house.incidents("?state=open&limit=1000")
    return found


@pytest.mark.timeout(1200)
async def test_each_replica_killed_in_turn_under_load(house: House, light: Light) -> None:
    story = await Story.begin(house)
    names = [(service, name) for service in KILLABLE for name in house.replicas(service)]
    count = 0
    async with watching(house) as watch:

        async def is_heard() -> bool | None:
            return True if sum(map(len, watch.batches.values())) > SERVICES * 10 else None

        await until(is_heard, "every partition is heard of")
        for service, name in names:
            light.answer_with(500)
            killed_at = time.monotonic()
            old = house.signal(name, signal.SIGKILL)
            count += 1
            await all_have(story, count)
            say(f"  {name} killed: 200 breaches after {time.monotonic() - killed_at:.1f} s")

            async def all_open() -> bool | None:
                found = await open_incidents(house)
                return True if sum(one["open_breaches"] for one in found) == SERVICES * CHECKS else None

            await until(all_open, "every breach has its incident")
            say(f"    in incidents after {time.monotonic() - killed_at:.1f} s")
            await house.restarted(name, old)
            light.answer_with(200)
            count += 1
            await all_have(story, count)
            await asyncio.sleep(1)  # so that what comes after a take-over is heard
            gaps = watch.take_over(service, name, killed_at)
            for what, gap in sorted(gaps.items()):
                say(f"    take-over of {what}: {gap:.2f} s")
            assert all(gap < 30 for gap in gaps.values()), gaps
    log = await house.last("SAMPLES")
    found = await verdicts(story)
    expected = await verdicts_of_the_log(house, log)
    for key, said in found.items():
        kinds, revs = [kind for kind, _ in said], [rev for _, rev in said]
        assert kinds == expected[key], f"{key}: the log says {expected[key]}, what was said is {kinds}"
        assert revs == sorted(set(revs)), (key, said)
    assert found.keys() == expected.keys()
    assert len(await open_incidents(house)) == SERVICES
    await everything_is_said(house)
    await sinks_agree(story, await ledger_is_whole(story))
    assert not await story.said("DEAD")
