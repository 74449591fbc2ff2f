"""What a stranger may cost us over HTTP, on real sockets."""

import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncIterator
from http import HTTPStatus

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from shared.kit import http_limits
from shared.kit.http import PROBLEM, bind, new_api, serving
from shared.kit.http_limits import LARGEST_BODY, Bounded

LARGE = 4 * 1024 * 1024


class Note(BaseModel):
    text: str


def small_app() -> FastAPI:
    app = new_api("small")

    @app.post("/notes")
    async def take(note: Note) -> int:
        return len(note.text)

    @app.post("/raw")
    async def take_raw(request: Request) -> int:
        return len(await request.body())

    @app.get("/slow")
    async def slow() -> str:
        await asyncio.sleep(0.8)
        return "at last"

    @app.get("/large")
    async def large() -> str:
        return "x" * LARGE

    @app.get("/streamed")
    async def streamed() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            for _ in range(LARGE // 10_000 + 1):
                yield b"x" * 10_000

        return StreamingResponse(parts())

    @app.get("/bug")
    async def bug() -> None:
        raise ZeroDivisionError

    return app


@pytest.fixture
async def address() -> AsyncIterator[tuple[str, int]]:
    sock = bind("127.0.0.1", 0)
    async with serving(Bounded(small_app(), within_s=0.3), sock):
        host, port = sock.getsockname()
        yield host, port


@pytest.fixture
async def http(address: tuple[str, int]) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{address[0]}:{address[1]}", trust_env=False) as client:
        yield client


def is_problem(answer: httpx.Response, status: int) -> bool:
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM), answer.text
    return bool(answer.json()["status"] == status)


async def test_a_body_within_the_bounds_comes_through(http: httpx.AsyncClient) -> None:
    assert (await http.post("/raw", content=b"x" * LARGEST_BODY)).json() == LARGEST_BODY
    assert (await http.post("/notes", json={"text": "well"})).json() == 4


@pytest.mark.parametrize("path", ["/raw", "/notes"])
async def test_a_body_that_says_it_is_too_large_is_refused_by_its_head(http: httpx.AsyncClient, path: str) -> None:
    assert is_problem(await http.post(path, content=b"x" * (LARGEST_BODY + 1)), 413)


@pytest.mark.parametrize("path", ["/raw", "/notes"])
async def test_a_body_that_does_not_say_so_is_refused_when_it_gets_there(http: httpx.AsyncClient, path: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(LARGEST_BODY // 1024 + 2):
            yield b"x" * 1024

    assert is_problem(await http.post(path, content=pieces()), 413)


@pytest.mark.parametrize("path", ["/raw", "/notes"])
async def test_a_body_that_stops_half_way_ends(address: tuple[str, int], path: str) -> None:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf".encode())
    said = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    assert said.split()[1] == b"408"


@pytest.mark.parametrize("path", ["/notes/%00", "/notes?incident=%00"])
async def test_an_address_with_a_nul_is_a_bad_request(http: httpx.AsyncClient, path: str) -> None:
    assert is_problem(await http.get(path), 400)


async def test_an_unknown_path_and_a_bug_of_ours_are_problems_too(http: httpx.AsyncClient) -> None:
    assert is_problem(await http.get("/nowhere"), 404)
    assert is_problem(await http.get("/notes"), 405)
    assert is_problem(await http.get("/bug"), 500)


async def test_a_slash_too_many_leads_nowhere_least_of_all_where_the_client_says(http: httpx.AsyncClient) -> None:
    answer = await http.get("/bug/", headers={"host": "evil.example"})
    assert is_problem(answer, 404)
    assert "location" not in answer.headers


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/api/v1/docs"])
async def test_no_page_shows_the_api_by_scripts_from_elsewhere(http: httpx.AsyncClient, path: str) -> None:
    assert is_problem(await http.get(path), 404)
    assert (await http.get("/api/v1/openapi.json")).json()["openapi"]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_limits, "IDLE_S", 0.3)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    "said",
    [b"", b"GET / HTTP/1.1\r\nHost: x\r\nx-", b"GET /none HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"],
    ids=["nothing", "half a head", "half a body that nobody reads"],
)
async def test_a_connection_without_a_request_is_closed(address: tuple[str, int], said: bytes) -> None:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(said)
    with contextlib.suppress(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 10)
    writer.close()


@pytest.mark.usefixtures("hasty")
async def test_a_request_that_takes_longer_is_answered(http: httpx.AsyncClient) -> None:
    assert (await http.get("/slow")).json() == "at last"
    assert (await http.get("/slow")).json() == "at last"


@pytest.mark.usefixtures("hasty")
async def test_a_client_that_takes_no_answer_is_left(address: tuple[str, int]) -> None:
    """Many requests on one connection, and not one answer read: they fill what the machine keeps for it."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    client.connect(address)
    _, writer = await asyncio.open_connection(sock=client, limit=1)
    writer.transport.pause_reading()  # type: ignore[attr-defined]  # of a socket's transport it is there
    writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
    async with asyncio.timeout(10):
        while not writer.transport.is_closing():
            writer.write(b"G")  # until the other end is gone
            await asyncio.sleep(0.02)
    writer.close()


@pytest.mark.parametrize("path", ["/large", "/streamed"])
async def test_a_client_that_takes_its_answer_slowly_gets_it(
    address: tuple[str, int], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The client is in this process: while that gets no turn, it takes nothing. So not as hasty as the others.
    monkeypatch.setattr(http_limits, "IDLE_S", 1.0)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    client.connect(address)
    reader, writer = await asyncio.open_connection(sock=client, limit=4096)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    got, began = 0, asyncio.get_running_loop().time()
    while part := await reader.read(20_000):
        got += len(part)
        await asyncio.sleep(0.02)
    assert got > LARGE
    assert asyncio.get_running_loop().time() - began > 3 * http_limits.IDLE_S, "some of it waited for many looks"
    writer.close()


async def test_a_crowd_of_connections_is_sent_away_and_takes_no_descriptor_from_us(
    address: tuple[str, int], http: httpx.AsyncClient
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1000, hard))
    try:
        crowd = [await asyncio.open_connection(*address) for _ in range(251)]
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(crowd[-1][0].read(), 10) == b""
        for _, writer in crowd:
            writer.close()
        async with asyncio.timeout(10):
            while not await _answers(http):
                await asyncio.sleep(0.01)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def _answers(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.post("/notes", json={"text": "well"})).status_code == HTTPStatus.OK
    except httpx.TransportError:
        return False
