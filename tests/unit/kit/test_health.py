"""What /livez, /readyz and /metrics answer, and which of it takes a replica out of service."""

from collections.abc import AsyncIterator

import httpx
import pytest

from shared.kit.health import Check, Health, ops_app


def says(why: str | None) -> Check:
    async def check() -> str | None:
        return why

    return check


@pytest.fixture
def health() -> Health:
    return Health(ready_checks={"database": says(None)})


@pytest.fixture
async def ops(health: Health) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(ops_app(health)), base_url="http://ops") as client:
        yield client


async def test_a_well_replica_is_green(ops: httpx.AsyncClient) -> None:
    for path in ("/livez", "/readyz"):
        answer = await ops.get(path)
        assert (answer.status_code, answer.json()) == (200, {"ok": True, "problems": {}})


async def test_what_fails_is_told_and_counted_and_the_replica_stays_in_service(
    health: Health, ops: httpx.AsyncClient
) -> None:
    health.broken("channel:mail", "535 bad credentials")
    health.well_checks["bus"] = says("the bus does not answer")
    answer = await ops.get("/readyz")
    said = {"channel:mail": "535 bad credentials", "bus": "the bus does not answer"}
    assert (answer.status_code, answer.json()) == (200, {"ok": False, "problems": said})
    assert (await ops.get("/livez")).status_code == 200
    counted = (await ops.get("/metrics")).text
    assert 'hypercare_problem{problem="channel:mail"} 1.0' in counted
    assert 'hypercare_problem{problem="bus"} 1.0' in counted


async def test_what_has_recovered_is_counted_no_more(health: Health, ops: httpx.AsyncClient) -> None:
    health.broken("channel:mail", "535 bad credentials")
    await ops.get("/metrics")
    health.recovered("channel:mail")
    assert "channel:mail" not in (await ops.get("/metrics")).text


async def test_what_fails_where_nobody_asks_anything_stops_a_roll(health: Health, ops: httpx.AsyncClient) -> None:
    health.is_asked = False
    assert (await ops.get("/readyz")).status_code == 200
    health.broken("partition 3", "its log cannot be read")
    answer = await ops.get("/readyz")
    assert (answer.status_code, answer.json()["problems"]) == (503, {"partition 3": "its log cannot be read"})


async def test_a_replica_that_cannot_answer_is_out_of_service(health: Health, ops: httpx.AsyncClient) -> None:
    health.ready_checks["database"] = says("connection refused")
    answer = await ops.get("/readyz")
    assert (answer.status_code, answer.json()["problems"]) == (503, {"database": "connection refused"})


async def test_starting_and_draining_are_out_of_service(health: Health, ops: httpx.AsyncClient) -> None:
    health.starting = "waiting for the bus"
    assert (await ops.get("/readyz")).json()["problems"] == {"starting": "waiting for the bus"}
    health.starting, health.draining = "", True
    assert (await ops.get("/readyz")).status_code == 503
    assert (await ops.get("/livez")).status_code == 200


async def test_a_deaf_replica_asks_for_a_restart(health: Health, ops: httpx.AsyncClient) -> None:
    health.live_checks["bus"] = says("connected to the bus, and it does not answer")
    assert (await ops.get("/livez")).status_code == 503


async def test_a_slash_too_many_is_no_endpoint(ops: httpx.AsyncClient) -> None:
    assert (await ops.get("/livez/")).status_code == 404
