"""A small ERP to be watched, and to be broken on purpose: `python -m examples.erp.app --port 3001`.

It answers on two ports: the ERP itself, and a switchboard for people who drill. The switchboard is apart because
`refuse` closes the ERP's listening socket: who connects then is really refused, not answered by an error page.
"""

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from examples.erp.listener import Listener
from examples.erp.shop import Answered, Machine, Shop, percentile
from shared.kit.clock import SystemClock

_SLOW_MS: Final = 1500
_SHOPPING_EVERY_S: Final = 0.2
_LOOKUPS_EACH_TIME: Final = 10
_LOCK_SHARE: Final = 0.1


class Mode(StrEnum):
    """How the ERP is: well; answering late; answering 500; accepting and never answering; not even listening."""

    HEALTHY = "healthy"
    SLOW = "slow"
    ERRORS = "errors"
    HANG = "hang"
    REFUSE = "refuse"


class Switch(BaseModel):
    """What the switchboard takes and shows. delay_ms: how late `slow` answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Mode
    delay_ms: int = Field(default=_SLOW_MS, ge=0, le=120_000)


@dataclass
class Erp:
    """The ERP's state: how it has been told to be, and what it measured."""

    switch: Switch = field(default_factory=lambda: Switch(mode=Mode.HEALTHY))
    shop: Shop = field(default_factory=Shop)
    answered: Answered = field(default_factory=Answered)
    machine: Machine = field(default_factory=Machine)

    async def go_shopping(self) -> None:
        """Look up orders for ever; while the ERP is slow, the database waits for locks too."""
        while True:
            lock_wait_s = self.switch.delay_ms / 1000 * _LOCK_SHARE if self.switch.mode is Mode.SLOW else 0.0
            self.shop.look_up(_LOOKUPS_EACH_TIME, lock_wait_s)
            await asyncio.sleep(_SHOPPING_EVERY_S)

    def health(self) -> dict[str, object]:
        """Whether the ERP can do its work."""
        return {"status": "ok", "uptime_s": round(time.monotonic() - self.answered.started_at, 1)}

    def db_status(self) -> dict[str, object]:
        """How fast the database answers."""
        took = self.shop.query_ms.values()
        p50, p95 = _rounded(percentile(took, 0.5)), _rounded(percentile(took, 0.95))
        return {"status": "ok", "query_p50_ms": p50, "query_p95_ms": p95, "queries": len(took)}

    def metrics(self) -> dict[str, object]:
        """What the machine and the cache are doing."""
        return {
            "cache": {"hit_rate": _rounded(self.shop.hit_rate_percent())},
            "error_rate_percent": _rounded(self.answered.error_rate_percent()),
            "memory": {"used_percent": _rounded(self.machine.memory_percent())},
            "cpu": {"used_percent": _rounded(self.machine.cpu_percent())},
            "disk": {"used_percent": _rounded(self.machine.disk_percent())},
        }

    def performance(self) -> dict[str, object]:
        """How long this ERP's answers took, and how many it gives a second."""
        took = self.answered.took_ms()
        shares = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
        found: dict[str, object] = {name: _rounded(percentile(took, share)) for name, share in shares.items()}
        return found | {"throughput": _rounded(self.answered.per_second())}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def erp_app(erp: Erp) -> Starlette:
    """Return the ERP's pages, each of which is as well as the switch says."""

    def page(say: Callable[[], dict[str, object]]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            began = time.perf_counter()
            response = await _as_switched(request, erp.switch, say)
            if not await request.is_disconnected():
                erp.answered.add((time.perf_counter() - began) * 1000, ok=response.status_code < 500)  # noqa: PLR2004
            return response

        return answer

    says = {
        "/health": erp.health,
        "/api/db-status": erp.db_status,
        "/api/metrics": erp.metrics,
        "/api/performance": erp.performance,
    }
    return Starlette(routes=[Route(path, page(say)) for path, say in says.items()])


async def _as_switched(request: Request, switch: Switch, say: Callable[[], dict[str, object]]) -> Response:
    if switch.mode is Mode.SLOW:
        await _until_gone(request, switch.delay_ms / 1000)
    elif switch.mode is Mode.HANG:
        await _until_gone(request, None)
    elif switch.mode is Mode.ERRORS:
        return JSONResponse({"status": "error", "error": "the order book is not reachable"}, 500)
    return JSONResponse(say())


async def _until_gone(request: Request, at_most_s: float | None) -> None:
    """Wait so long (None: without end), or until the client has gone or been hung up on."""
    try:
        async with asyncio.timeout(at_most_s):
            while (await request.receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return


def switchboard_app(erp: Erp, listener: Listener) -> Starlette:
    """Return `GET /switch` and `PUT /switch`; the latter answers when the change has taken effect."""
    turning = asyncio.Lock()

    async def show(_request: Request) -> Response:
        return JSONResponse(erp.switch.model_dump(mode="json"))

    async def turn(request: Request) -> Response:
        try:
            wanted = Switch.model_validate_json(await request.body())
        except ValidationError as error:
            return JSONResponse({"error": "; ".join(f"{e['loc']}: {e['msg']}" for e in error.errors())}, 422)
        async with turning:
            before, erp.switch = erp.switch, wanted
            await _take_effect(listener, before.mode, wanted.mode)
        at = SystemClock().now().isoformat()
        _say("mode_changed", at=at, mode=wanted.mode, was=before.mode, delay_ms=wanted.delay_ms)
        return JSONResponse(wanted.model_dump(mode="json"))

    return Starlette(routes=[Route("/switch", show, methods=["GET"]), Route("/switch", turn, methods=["PUT"])])


async def _take_effect(listener: Listener, before: Mode, wanted: Mode) -> None:
    if wanted is Mode.REFUSE:
        await listener.close()
        return
    if before is Mode.HANG and wanted is not Mode.HANG:
        await listener.hang_up()
    await listener.open()


def _say(event: str, **fields: object) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)  # noqa: T201  # its log: one JSON line on standard output


@dataclass(frozen=True)
class Running:
    """Where the ERP and its switchboard answer."""

    url: str
    admin_url: str


@asynccontextmanager
async def running(host: str, port: int, admin_port: int = 0, admin_host: str = "127.0.0.1") -> AsyncIterator[Running]:
    """Run the ERP in this event loop (port 0: a free one). Raises OSError, naming the port, where one is taken."""
    erp = Erp()
    listener = Listener(erp_app(erp), host, port)
    try:
        switchboard = Listener(switchboard_app(erp, listener), admin_host, admin_port)
    except OSError:
        await listener.end()
        raise
    shopping = asyncio.create_task(erp.go_shopping())
    try:
        await listener.open()
        await switchboard.open()
        yield Running(_url(host, listener.port), _url(admin_host, switchboard.port))
    finally:
        shopping.cancel()
        await listener.end()
        await switchboard.end()


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


async def serve(host: str, port: int, admin_port: int, admin_host: str) -> None:
    """Run the ERP until SIGTERM or SIGINT; the first line of output says where it is."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(host, port, admin_port, admin_host) as erp:
        _say("erp_ready", url=erp.url, admin_url=erp.admin_url)
        await stop.wait()


def main() -> int:
    """Read the command line and run; 1 with one readable line where a port is taken."""
    parser = argparse.ArgumentParser(prog="python -m examples.erp.app", description="A small ERP that can be broken.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=3001, help="0: a free one")
    parser.add_argument("--admin-port", type=int, default=0, help="the switchboard; 0: a free one")
    parser.add_argument("--admin-host", default="127.0.0.1", help="whoever reaches it can break the ERP")
    given = parser.parse_args()
    try:
        asyncio.run(serve(given.host, given.port, given.admin_port, given.admin_host))
    except OSError as error:
        print(f"erp: {error}", file=sys.stderr)  # noqa: T201  # the one line a person needs
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
