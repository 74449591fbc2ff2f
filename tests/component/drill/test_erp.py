"""The example ERP in each of its moods, seen from outside."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.fakes.erp import running_erp


@asynccontextmanager
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
        yield http


async def test_healthy_erp_measures_itself() -> None:
    async with running_erp() as erp, client() as http:
        assert (await http.get(f"{erp.url}/health")).json()["status"] == "ok"
        database = (await http.get(f"{erp.url}/api/db-status")).json()
        metrics = (await http.get(f"{erp.url}/api/metrics")).json()
        performance = (await http.get(f"{erp.url}/api/performance")).json()
    assert database["status"] == "ok"
    assert 0 < database["query_p95_ms"] < 50
    assert 80 < metrics["cache"]["hit_rate"] < 100
    assert metrics["error_rate_percent"] == 0
    assert 0 < performance["p50_ms"] <= performance["p95_ms"] <= performance["p99_ms"]
    assert performance["throughput"] > 0


async def test_slow_erp_answers_late_and_its_database_slows_down_too() -> None:
    async with running_erp() as erp, client() as http:
        await erp.set_mode("slow", delay_ms=300)
        began = time.monotonic()
        assert (await http.get(f"{erp.url}/health")).status_code == 200
        assert time.monotonic() - began >= 0.3
        async with asyncio.timeout(10):
            while (await http.get(f"{erp.url}/api/performance")).json()["p50_ms"] < 300:
                pass


async def test_failing_erp_answers_500_and_counts_its_errors() -> None:
    async with running_erp() as erp, client() as http:
        await erp.set_mode("errors")
        assert (await http.get(f"{erp.url}/health")).status_code == 500
        await erp.set_mode("healthy")
        assert (await http.get(f"{erp.url}/api/metrics")).json()["error_rate_percent"] == 100


async def test_hanging_erp_accepts_and_never_answers_and_drops_them_when_healed() -> None:
    async with running_erp() as erp, client() as http:
        await erp.set_mode("hang")
        with pytest.raises(httpx.ReadTimeout):
            await http.get(f"{erp.url}/health", timeout=httpx.Timeout(5, read=0.2))
        waiting = asyncio.create_task(http.get(f"{erp.url}/health"))
        done, _ = await asyncio.wait({waiting}, timeout=0.2)
        assert not done
        await erp.set_mode("healthy")
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await waiting
        assert (await http.get(f"{erp.url}/health")).status_code == 200


async def test_refusing_erp_has_no_listening_socket_and_comes_back_on_the_same_port() -> None:
    async with running_erp() as erp, client() as http:
        assert (await http.get(f"{erp.url}/health")).status_code == 200
        await erp.set_mode("refuse")
        for _ in range(3):
            with pytest.raises(httpx.ConnectError):
                await http.get(f"{erp.url}/health")
        await erp.set_mode("healthy")
        assert (await http.get(f"{erp.url}/health")).status_code == 200


async def test_every_mood_can_follow_every_other() -> None:
    moods = ("healthy", "slow", "errors", "hang", "refuse")
    async with running_erp() as erp, client() as http:
        for first in moods:
            for second in moods:
                await erp.set_mode(first)
                await erp.set_mode(second)
        await erp.set_mode("healthy")
        assert (await http.get(f"{erp.url}/health")).status_code == 200


async def test_switchboard_shows_the_mode_and_refuses_what_it_does_not_know() -> None:
    async with running_erp() as erp, client() as http:
        await erp.set_mode("slow", delay_ms=70)
        assert (await http.get(f"{erp.admin_url}/switch")).json() == {"mode": "slow", "delay_ms": 70}
        for wrong in ({"mode": "moody"}, {"mode": "slow", "delay": 3}, {}):
            assert (await http.put(f"{erp.admin_url}/switch", json=wrong)).status_code == 422
        assert (await http.get(f"{erp.admin_url}/switch")).json()["mode"] == "slow"
