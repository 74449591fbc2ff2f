"""Which addresses are pings, and which lead nowhere."""

from datetime import UTC, datetime

import httpx
import pytest

from services.prober.api.pings import Pings, pings_app
from services.prober.domain.plan import Heartbeat, Programme
from shared.contracts import Sample
from shared.kit.http import PROBLEM
from shared.kit.signing import ping_token
from shared.values import CheckId, Outcome, Partition
from tests.fakes.clock import FakeClock

KEY = "a-key-for-pings-in-tests"
BACKUP = CheckId("backup")
TOKEN = ping_token(KEY, BACKUP)


class Kept:
    """Stores in memory."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    async def store(self, partition: Partition, sample: Sample, *, within_s: float) -> None:
        del partition, within_s
        self.outcomes.append(sample.outcome)


async def ask(kept: Kept, path: str) -> httpx.Response:
    pings = Pings(KEY, kept, FakeClock(datetime(2026, 2, 20, tzinfo=UTC)))
    pings.take(Programme({}, {BACKUP: Heartbeat(BACKUP, Partition(0))}, frozenset({Partition(0)})))
    transport = httpx.ASGITransport(pings_app(pings))
    async with httpx.AsyncClient(transport=transport, base_url="http://prober") as client:
        return await client.get(path, headers={"host": "evil.example"})


@pytest.mark.parametrize(
    ("path", "outcome"),
    [("", Outcome.OK), ("/", Outcome.OK), ("/fail", Outcome.FAILED), ("/fail/", Outcome.FAILED)],
)
async def test_a_ping_counts_with_and_without_a_slash_at_its_end(path: str, outcome: Outcome) -> None:
    kept = Kept()
    assert (await ask(kept, f"/ping/{TOKEN}{path}")).status_code == 200
    assert kept.outcomes == [outcome]


@pytest.mark.parametrize("path", ["/ping", "/ping/", f"/ping/{TOKEN}//", f"/ping/{TOKEN}/fail//", f"/{TOKEN}"])
async def test_what_is_no_ping_leads_nowhere(path: str) -> None:
    kept = Kept()
    answer = await ask(kept, path)
    assert (answer.status_code, answer.headers.get("location"), kept.outcomes) == (404, None, [])
    assert answer.headers["content-type"] == PROBLEM
