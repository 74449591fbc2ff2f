"""What a stranger may cost us over HTTP, on real sockets."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel

from shared.kit.http import PROBLEM, bind, new_api, serving
from shared.kit.http_limits import LARGEST_BODY, Bounded


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
