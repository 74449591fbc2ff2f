"""What is watched in these tests, and a prober's voice."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.config import EvaluatorSlice, parse, slices
from shared.contracts import Sample, SampleBatch
from shared.kit.bus import Publisher
from shared.values import CheckId, Location, Outcome, Partition

MAIN: Final = Location("main")
WEB: Final = CheckId("web")

CONFIG: Final = """
version: 1
programme: launch
timezone: UTC
public_url: http://127.0.0.1:8800
locations: [main]
services: {shop: {escalation: ops}}
checks:
  web: {service: shop, every: 1s, timeout: 1s, grace: %(grace)s, http: {url: http://127.0.0.1:1/}}
rules:
  down: {check: web, failed: {at_least: 2, of: 3}, severity: critical, clear: {ok_in_a_row: 2}}
  down-long: {check: web, failed: {at_least: 2, of: 3}, severity: high, for: 20s}
  slow: {check: web, mean: {of: total, over: 10s, above: {high: 500ms, medium: 200ms}}}
people:
  ana: {name: Ana, timezone: UTC, reach: [{email: ana@example.org}]}
escalations:
  ops: {default: {steps: [{notify: [ana]}]}}
channels:
  email: [{smtp: {host: 127.0.0.1, port: 2525, from: pager@example.org}}]
evaluation: {partitions: %(partitions)d, prober_grace: %(prober_grace)s, restate_every: %(restate)s}
"""


def configuration(
    *, partitions: int = 1, grace: str = "2m", prober_grace: str = "30s", restate: str = "1m"
) -> EvaluatorSlice:
    """The evaluator's slice of the document above."""
    values = {"partitions": partitions, "grace": grace, "prober_grace": prober_grace, "restate": restate}
    found = slices(parse(CONFIG % values, "test.yaml", {}))["evaluator"]
    assert isinstance(found, EvaluatorSlice)
    return found


@dataclass
class Prober:
    """What a prober would publish of one partition. Its samples are told in seconds after `start`."""

    publisher: Publisher
    start: datetime
    partition: Partition
    location: Location = MAIN
    name: str = "prober-0-aa"
    sent: int = 0

    def sample(self, second: float, outcome: Outcome = Outcome.OK, took_s: float = 0.1, check: CheckId = WEB) -> Sample:
        reason = None if outcome is Outcome.OK else "answered 500"
        return Sample(
            check=check, due_at=self.start + timedelta(seconds=second), took_s=took_s, outcome=outcome, reason=reason
        )

    async def send(self, *samples: Sample) -> int:
        """One batch; returns its place in the log."""
        self.sent += 1
        batch = SampleBatch(
            partition=self.partition,
            location=self.location,
            prober=self.name,
            batch=self.sent,
            samples=list(samples),
        )
        return (await self.publisher.publish(batch, give_up_s=20)).sequence

    async def ok(self, *seconds: float) -> None:
        """Good samples, each in a batch of its own."""
        for second in seconds:
            await self.send(self.sample(second))

    async def failed(self, *seconds: float) -> None:
        """Bad samples, each in a batch of its own."""
        for second in seconds:
            await self.send(self.sample(second, Outcome.FAILED, 0.25))
