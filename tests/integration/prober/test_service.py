"""One prober on a real bus: what reaches the log, under which names, and what happens while the bus is away."""

import asyncio
import itertools
import re

import httpx
import pytest

from shared.contracts import SampleBatch
from shared.kit.revisions import read_answers
from shared.kit.signing import ping_token
from shared.values import Location, Outcome
from tests.fakes.ports import closed_port
from tests.integration.prober.targets import Target
from tests.integration.prober.world import (
    PING_KEY,
    Bus,
    Replica,
    due_times,
    heartbeat_check,
    http_check,
    running_prober,
    slice_of,
    until,
)


async def test_samples_reach_the_log_in_batches_with_names_and_order(declared: Bus, target: Target) -> None:
    async with running_prober(declared):
        await declared.apply(slice_of(good=http_check(target.url("/ok")), bad=http_check(target.url("/500"))))
        await until(lambda: _has(declared, "good", 5))
    records = await declared.log()
    assert {record.subject for record in records} == {"hc.samples.v1.3.main"}
    batches = [record.batch for record in records]
    assert [batch.batch for batch in batches] == list(range(1, len(batches) + 1))
    assert [record.msg_id for record in records] == [f"{batch.prober}.3.{batch.batch}" for batch in batches]
    assert batches[0].prober.startswith("prober-0-")
    for check in ("good", "bad"):
        due = due_times(records, check)
        assert due == sorted(set(due))
        assert all(b - a == pytest.approx(0.2) for a, b in itertools.pairwise(due))
    good = next(s for batch in batches for s in batch.samples if s.outcome is Outcome.OK)
    assert set(good.values) == {"dns", "connect", "tls", "ttfb", "transfer"}
    bad = next(s for batch in batches for s in batch.samples if s.outcome is Outcome.FAILED)
    assert (bad.check, bad.code, bad.reason) == ("bad", "status", "status is 500, expected 200")


async def _has(bus: Bus, check: str, count: int) -> bool:
    return len(due_times(await bus.log(), check)) >= count


async def test_a_failed_sample_leaves_at_once(declared: Bus) -> None:
    subscription = await declared.client.subscribe("hc.samples.v1.3.main")
    batches: list[SampleBatch] = []
    with closed_port() as port:
        async with running_prober(declared):
            await declared.apply(slice_of(bad=http_check(f"http://127.0.0.1:{port}/", every_ms=500)))
            while sum(s.outcome is Outcome.FAILED for batch in batches for s in batch.samples) < 3:
                batches.append(SampleBatch.from_json((await subscription.next_msg(timeout=15)).data))
    failed = [[s.code for s in batch.samples if s.outcome is Outcome.FAILED] for batch in batches]
    assert max(len(codes) for codes in failed) == 1
    assert {code for codes in failed for code in codes} == {"refused"}


async def test_a_quiet_partition_is_spoken_for_at_least_once_a_second(declared: Bus) -> None:
    subscription = await declared.client.subscribe("hc.samples.v1.5.main")
    loop = asyncio.get_running_loop()
    async with running_prober(declared):
        await declared.apply(slice_of(backup=heartbeat_check()))
        at = []
        for _ in range(4):
            msg = await subscription.next_msg(timeout=15)
            at.append(loop.time())
            assert SampleBatch.from_json(msg.data).samples == []
    gaps = [b - a for a, b in itertools.pairwise(at)]
    assert min(gaps) > 0.5
    assert sorted(gaps)[1] < 1.2  # the median: a busy machine may delay one


async def test_nothing_is_lost_while_the_bus_is_away_for_eight_seconds(declared: Bus, target: Target) -> None:
    async with running_prober(declared) as prober:
        await declared.apply(slice_of(good=http_check(target.url("/ok")), bad=http_check(target.url("/500"))))
        await until(lambda: _has(declared, "good", 2))
        declared.server.stop()
        async with asyncio.timeout(30):
            while "bus" not in (said := await prober.ready()):  # the prober's own words
                await asyncio.sleep(0.1)
        assert said["bus"].startswith("bus unreachable for ")
        assert "buffering" in said["bus"]
        asked = len(target.requests)
        async with asyncio.timeout(30):
            while len(target.requests) < asked + 60:  # 2 checks, 5 a second each: 6 s more
                await asyncio.sleep(0.1)
        declared.server.start()
        before = len(target.requests) // 2
        await until(lambda: _has(declared, "good", before + 3), limit_s=30)
        await until(lambda: _is_ready(prober))
    records = await declared.log()
    assert len({record.msg_id for record in records}) == len(records)
    for check in ("good", "bad"):
        due = due_times(records, check)
        assert all(b - a == pytest.approx(0.2) for a, b in itertools.pairwise(due)), check


async def _is_ready(prober: Replica) -> bool:
    return not await prober.ready()


async def test_a_full_buffer_drops_the_oldest_and_says_so(declared: Bus, target: Target) -> None:
    checks = {f"good_{n}": http_check(target.url("/ok")) for n in range(8)}
    async with running_prober(declared, buffer_samples=100) as prober:
        await declared.apply(slice_of(**checks))
        await until(lambda: _has(declared, "good-1", 2))
        declared.server.stop()
        async with asyncio.timeout(60):
            while _dropped(said := (await prober.ready()).get("bus", "")) < 40:  # its own words
                await asyncio.sleep(0.1)
        assert "buffering 100 samples; " in said
        declared.server.start()
        await until(lambda: _is_ready(prober), limit_s=30)
    due = due_times(await declared.log(), "good-1")
    assert due == sorted(set(due))
    gaps = [round((b - a) / 0.2) for a, b in itertools.pairwise(due)]
    assert max(gaps) > 1


def _dropped(said: str) -> int:
    found = re.search(r"; (\d+) samples dropped, the buffer is full$", said)
    return int(found[1]) if found else 0


async def test_a_configuration_that_does_not_know_our_location_is_refused_by_name(declared: Bus) -> None:
    elsewhere = slice_of(backup=heartbeat_check()).model_copy(update={"locations": (Location("fra1"),)})
    async with running_prober(declared) as prober:
        assert "config" in await prober.ready()
        await declared.apply(elsewhere)

        async def is_refused() -> bool:
            return any(not answer.taken for answer in await read_answers(declared.js))

        await until(is_refused)
        answer = (await read_answers(declared.js))[0]
    assert answer.because == "this prober's location main is not one of the configuration's: fra1"


async def test_stopping_ends_what_is_in_flight_and_leaves_nothing_behind(declared: Bus, target: Target) -> None:
    async with running_prober(declared):
        await declared.apply(slice_of(slow=http_check(target.url("/slow"), every_ms=1000)))
        async with asyncio.timeout(20):
            while not target.requests:  # the target is asked by the prober's task
                await asyncio.sleep(0.005)
    assert len(due_times(await declared.log(), "slow")) >= len(target.requests)
    assert await declared.members() == set()


class Pinger:
    """Somebody's nightly job."""

    def __init__(self, prober: Replica) -> None:
        self._base = f"{prober.http}/ping"
        self.token = ping_token(PING_KEY, "backup")

    async def ping(self, path: str = "", *, token: str | None = None, method: str = "GET", body: bytes = b"") -> int:
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            answer = await client.request(method, f"{self._base}/{token or self.token}{path}", content=body)
            return answer.status_code


async def _takes_pings(pinger: Pinger) -> bool:
    return await pinger.ping(token="0" * 32) == 404


async def test_a_ping_is_answered_only_after_the_bus_has_it(declared: Bus) -> None:
    async with running_prober(declared) as prober:
        pinger = Pinger(prober)
        assert await pinger.ping() == 503
        await declared.apply(slice_of(backup=heartbeat_check()))
        await until(lambda: _takes_pings(pinger))
        assert await pinger.ping(method="HEAD") == await pinger.ping("/fail", method="HEAD") == 405
        assert due_times(await declared.log(), "backup") == []
        for method in ("GET", "POST"):
            before = len(due_times(await declared.log(), "backup"))
            assert await pinger.ping(method=method) == 200
            assert len(due_times(await declared.log(), "backup")) == before + 1
        assert await pinger.ping("/fail", method="POST", body=b"disk full\n\x1b[31m" + b"x" * 50_000) == 200
        assert await pinger.ping("/fail") == 200
        assert await pinger.ping("/fail", method="POST", body=b"x" * 3_000_000) == 200
    records = await declared.log()
    samples = [sample for record in records for sample in record.batch.samples]
    assert [sample.outcome for sample in samples] == [Outcome.OK] * 2 + [Outcome.FAILED] * 3
    assert (samples[2].reason or "").startswith("disk full [31mxxx")
    assert len(samples[2].reason or "") == 10_000 - 1  # the line end and the control character are one space
    assert samples[3].reason == "reported as failed"
    due = due_times(records, "backup")
    assert due == sorted(set(due))


async def test_an_unknown_ping_address_has_one_answer_whatever_it_is(declared: Bus) -> None:
    async with running_prober(declared) as prober:
        await declared.apply(slice_of(backup=heartbeat_check()))
        pinger = Pinger(prober)
        await until(lambda: _takes_pings(pinger))
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            answers = [
                await client.get(f"{prober.http}/ping/{token}")
                for token in ("x", "0" * 32, pinger.token[:-1], pinger.token.upper(), "backup", "%F0%9F%92%A5")
            ]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1


async def test_a_ping_while_the_bus_is_away_is_not_called_stored_and_not_lost_either(declared: Bus) -> None:
    async with running_prober(declared) as prober:
        await declared.apply(slice_of(backup=heartbeat_check()))
        pinger = Pinger(prober)
        await until(lambda: _takes_pings(pinger))
        declared.server.stop()
        assert await pinger.ping() == 503
        declared.server.start()
        await until(lambda: _has(declared, "backup", 1), limit_s=30)
        assert await pinger.ping() == 200
