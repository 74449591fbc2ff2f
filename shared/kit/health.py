"""Liveness, readiness and metrics: three endpoints on a port of their own, meant for the machine, unauthenticated."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.kit.http import bind, serving

Check = Callable[[], Awaitable[str | None]]
"""Returns None when well, else what is wrong in words."""


@dataclass
class Health:
    """What this replica knows of its own state.

    Live means the event loop turns and the bus answers a real request (a deaf connection is cured by a restart).
    Ready means it can do its work now; a bug in a handler makes it red until that handler succeeds again.
    """

    live_checks: dict[str, Check] = field(default_factory=dict)
    ready_checks: dict[str, Check] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    draining: bool = False

    def broken(self, name: str, why: str) -> None:
        """Turn readiness red until `recovered(name)`."""
        self.problems[name] = why

    def recovered(self, name: str) -> None:
        """Take a problem back."""
        self.problems.pop(name, None)

    async def liveness(self) -> dict[str, str]:
        """What is wrong with being alive; empty when well."""
        return await _ask(self.live_checks)

    async def readiness(self) -> dict[str, str]:
        """What is wrong with being ready; empty when well."""
        problems = {**self.problems, **await _ask(self.live_checks), **await _ask(self.ready_checks)}
        return {**problems, "draining": "stopping"} if self.draining else problems


async def _ask(checks: dict[str, Check]) -> dict[str, str]:
    said = await asyncio.gather(*(check() for check in checks.values()))
    return {name: why for name, why in zip(checks, said, strict=True) if why}


def ops_app(health: Health) -> Starlette:
    """The three endpoints as an application."""

    def answer(problems: dict[str, str]) -> Response:
        return JSONResponse({"ok": not problems, "problems": problems}, status_code=503 if problems else 200)

    async def livez(_: Request) -> Response:
        return answer(await health.liveness())

    async def readyz(_: Request) -> Response:
        return answer(await health.readiness())

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)])


@contextlib.asynccontextmanager
async def serving_ops(health: Health, host: str, port: int) -> AsyncIterator[int]:
    """Serve the endpoints while the block runs; yields the port."""
    sock = bind(host, port)
    async with serving(ops_app(health), sock):
        yield sock.getsockname()[1]
