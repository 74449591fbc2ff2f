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

from shared.kit.http import bind, serving, without_redirects
from shared.kit.metrics import PROBLEM

Check = Callable[[], Awaitable[str | None]]
"""Returns None when well, else what is wrong in words."""


@dataclass
class Health:
    """What this replica knows of its own state.

    Live means the event loop turns and the connection to the bus is not deaf: red where a restart helps. Ready means
    requests may be sent here. All else that is wrong is said by /readyz, /metrics and the log, and the replica stays
    in service: a bug in a handler, a provider that refuses our password, a bus that is away are the same on every
    replica, and taking them all out of service would take the acknowledge links away as well (ADR 10).
    """

    live_checks: dict[str, Check] = field(default_factory=dict)
    ready_checks: dict[str, Check] = field(default_factory=dict)
    well_checks: dict[str, Check] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    starting: str = ""
    """What is waited for before this replica can do anything."""
    draining: bool = False
    is_asked: bool = True
    """Whether anybody sends requests here. Where nobody does, /readyz is red for all that is wrong: that takes nothing
    away from anyone, and stops the roll of a version that does not work."""

    def broken(self, name: str, why: str) -> None:
        """Something fails, until `recovered(name)`."""
        self.problems[name] = why

    def recovered(self, name: str) -> None:
        """Take a problem back."""
        self.problems.pop(name, None)

    async def liveness(self) -> dict[str, str]:
        """What is wrong with being alive; empty when well."""
        return await _ask(self.live_checks)

    async def readiness(self) -> dict[str, str]:
        """Why nobody should ask this replica anything; empty when ready."""
        problems = await _ask(self.ready_checks)
        problems |= {"starting": self.starting} if self.starting else {}
        return problems | ({"draining": "stopping"} if self.draining else {})

    async def ills(self) -> dict[str, str]:
        """All that is wrong, but for what `readiness` says; empty when well."""
        return {**self.problems, **await _ask(self.live_checks), **await _ask(self.well_checks)}


async def _ask(checks: dict[str, Check]) -> dict[str, str]:
    said = await asyncio.gather(*(check() for check in checks.values()))
    return {name: why for name, why in zip(checks, said, strict=True) if why}


def ops_app(health: Health) -> Starlette:
    """The three endpoints as an application. Each problem is listed; the status says whether it matters here."""

    def answer(problems: dict[str, str], *, red: bool) -> Response:
        return JSONResponse({"ok": not problems, "problems": problems}, status_code=503 if red else 200)

    async def livez(_: Request) -> Response:
        problems = await health.liveness()
        return answer(problems, red=bool(problems))

    async def readyz(_: Request) -> Response:
        unready, ills = await asyncio.gather(health.readiness(), health.ills())
        return answer(ills | unready, red=bool(unready or (ills and not health.is_asked)))

    async def metrics(_: Request) -> Response:
        unready, ills = await asyncio.gather(health.readiness(), health.ills())
        PROBLEM.clear()
        for name in ills | unready:
            PROBLEM.labels(problem=name).set(1)
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    routes = [Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)]
    return without_redirects(Starlette(routes=routes))


@contextlib.asynccontextmanager
async def serving_ops(health: Health, host: str, port: int) -> AsyncIterator[int]:
    """Serve the endpoints while the block runs; yields the port."""
    sock = bind(host, port)
    async with serving(ops_app(health), sock):
        yield sock.getsockname()[1]
