"""Serving HTTP inside a service: own sockets, a graceful end, problem+json, security headers."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from typing import TypeVar

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from shared.kit.errors import Refused, Transient, Unusable
from shared.kit.http_limits import LARGEST_BODY, Bounded, Impatient
from shared.kit.logging import get_logger

AnyApp = TypeVar("AnyApp", bound=Starlette)

log = get_logger()

PROBLEM = "application/problem+json"

SECURITY_HEADERS = {
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
"""For every page: nothing from elsewhere, no framing, no link tokens in a Referer."""


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Open a listening socket. Raises Unusable with the address when it is taken.

    `shared` lets several processes of one machine listen on the same port; the kernel spreads the connections.
    """
    # asyncio turns Nagle's algorithm off only where the protocol is named; with it, an answer in parts waits 40 ms.
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise Unusable(f"cannot listen on {host}:{port}: {error.strerror}") from error
    sock.listen(512)
    sock.setblocking(False)
    return sock


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling: the service decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp, sock: socket.socket, *, drain_s: float = 5.0, largest_body: int = LARGEST_BODY
) -> AsyncIterator[None]:
    """Serve an application on a socket while the block runs; then let requests in flight finish for `drain_s`."""
    config = uvicorn.Config(
        Bounded(app, largest=largest_body), log_config=None, access_log=False, lifespan="off",
        timeout_graceful_shutdown=int(max(1, drain_s)), server_header=False, proxy_headers=False, http=Impatient,
    )  # fmt: skip
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[sock]), name="http")
    try:
        yield
    finally:
        server.should_exit = True
        await task
        sock.close()


def problem(status: int, title: str, detail: str, **more: object) -> JSONResponse:
    """An error as RFC 9457 problem details."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return JSONResponse(body, status_code=status, media_type=PROBLEM)


def without_redirects(app: AnyApp) -> AnyApp:
    """Make an address with a slash too many unknown (404).

    The router would send people on to a Location made of the Host header, which is the client's word.
    """
    app.router.redirect_slashes = False
    return app


async def http_problem(_: Request, error: Exception) -> JSONResponse:
    """Say an HTTPException as a problem; also what a router itself raises: unknown path, wrong method."""
    if not isinstance(error, HTTPException):
        raise error
    answer = problem(error.status_code, HTTPStatus(error.status_code).phrase, str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


def new_api(title: str) -> FastAPI:
    """An API under /api/v1 that speaks problems. No page shows its OpenAPI document: those load scripts from a CDN."""
    app = FastAPI(title=title, version="1", openapi_url="/api/v1/openapi.json", docs_url=None, redoc_url=None)
    speak_problems(app)
    return without_redirects(app)


def speak_problems(app: FastAPI) -> None:
    """Make every error of an API answer in problem+json: refused 409, transient 503, invalid 422, our own bug 500."""

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> JSONResponse:
        return problem(HTTPStatus.CONFLICT, "Not possible now", error.reason, code=error.code)

    @app.exception_handler(Transient)
    async def transient(_: Request, error: Transient) -> JSONResponse:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, "Try again", error.reason)

    app.exception_handler(HTTPException)(http_problem)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        errors = [{"where": ".".join(map(str, e["loc"])), "what": e["msg"]} for e in error.errors()]
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid request", "see errors", errors=errors)

    @app.exception_handler(Exception)
    async def our_bug(request: Request, error: Exception) -> JSONResponse:
        log.error("request_failed", path=request.url.path, error=repr(error), exc_info=error)
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Our fault", "this request found a bug of ours; it is logged")
