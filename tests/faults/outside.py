"""A whole installation as its operators see it from outside, whatever it runs on, and the world around it."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import httpx
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError

from shared.contracts import BY_TYPE, Message
from shared.contracts.base import type_in

WITHIN_S: Final = 120.0
"""Generous: two busy cores, and redelivery and claims of 30 s each after a kill. Never a limit of the product."""

T = TypeVar("T")


@dataclass(frozen=True)
class Stored:
    """One message of a stream."""

    sequence: int
    subject: str
    at_s: float
    message: Message
    headers: Mapping[str, str]


class Outside:
    """What can be asked of any installation, and what can be done to the world around it."""

    @property
    def facts(self) -> dict[str, Any]:
        """Where everything answers, and with which secrets.

        `nats_url`, `nats_password` (of `admin`), `database_urls` by schema, `incidents_url`, `notifier_url`, `token`,
        and `ports` by name on 127.0.0.1: `erp_admin`, `sinks` and so on.
        """
        raise NotImplementedError

    # The world around

    def url(self, port: str) -> str:
        """An address of this machine by the name of its port."""
        return f"http://127.0.0.1:{self.facts['ports'][port]}"

    async def switch(self, mode: str) -> None:
        """Make the example ERP `healthy`, `errors`, `slow`, `hang` or `refuse`."""
        async with http() as client:
            (await client.put(f"{self.url('erp_admin')}/switch", json={"mode": mode})).raise_for_status()

    async def behave(self, wire: str, mode: str = "ok", **more: object) -> None:
        """Tell a sink what to do with the next messages."""
        async with http() as client:
            answer = await client.put(f"{self.url('sinks')}/behave/{wire}", json={"mode": mode, **more})
            answer.raise_for_status()

    async def received(self) -> list[dict[str, Any]]:
        """What the sinks got, oldest first, also what a lying one lost."""
        async with http() as client:
            found: list[dict[str, Any]] = (await client.get(f"{self.url('sinks')}/received.json?all=1")).json()
        return found

    # Asking the services

    async def ask(self, method: str, url: str, body: object = None) -> httpx.Response | None:
        """One authenticated request; None while nobody answers or the answer is a 5xx."""
        try:
            async with http() as client:
                answer = await client.request(
                    method, url, json=body, headers={"Authorization": f"Bearer {self.facts['token']}"}
                )
        except httpx.TransportError:
            return None
        return None if answer.status_code >= 500 else answer

    async def get(self, url: str) -> Any:
        """GET until somebody answers; fails on a 4xx."""

        async def look() -> httpx.Response | None:
            return await self.ask("GET", url)

        answer = await until(look, url)
        answer.raise_for_status()
        return answer.json()

    async def incidents(self, path: str = "") -> Any:
        """From the incidents API."""
        return await self.get(f"{self.facts['incidents_url']}/api/v1/incidents{path}")

    async def pages(self, path: str = "") -> Any:
        """From the notifier's ledger."""
        return await self.get(f"{self.facts['notifier_url']}/api/v1/pages{path}")

    @contextlib.asynccontextmanager
    async def bus(self) -> AsyncIterator[Client]:
        """A connection as admin, waited for."""

        async def look() -> Client | None:
            client = Client()
            try:
                await client.connect(
                    self.facts["nats_url"], user="admin", password=self.facts["nats_password"],
                    allow_reconnect=False, connect_timeout=3, error_cb=_quiet, inbox_prefix=b"_INBOX.faults",
                )  # fmt: skip
            except (NatsError, OSError, TimeoutError):
                await client.close()  # a proxy in between takes connections that nobody answers
                return None
            return client

        client = await until(look, "the bus answers")
        try:
            yield client
        finally:
            await client.close()

    async def last(self, *streams: str) -> dict[str, int]:
        """The last sequence of each stream."""
        async with self.bus() as client:
            js = client.jetstream(timeout=10)
            return {name: (await js.stream_info(name)).state.last_seq for name in streams}

    async def stored(self, stream: str, after: int = 0) -> list[Stored]:
        """Every message of a stream after a sequence, in order."""
        async with self.bus() as client:
            js = client.jetstream(timeout=10)
            state = (await js.stream_info(stream)).state
            found = []
            for sequence in range(max(after + 1, state.first_seq), state.last_seq + 1):
                with contextlib.suppress(NotFoundError):
                    raw: Any = await js.get_msg(stream, sequence)
                    kind = BY_TYPE[type_in(raw.headers) or ""]
                    at_s = raw.time.timestamp() if raw.time else 0.0
                    message = kind.from_json(raw.data or b"")
                    found.append(Stored(sequence, raw.subject, at_s, message, raw.headers or {}))
            return found


def http() -> httpx.AsyncClient:
    """A client that believes no proxy."""
    return httpx.AsyncClient(timeout=15, trust_env=False)


async def until(look: Callable[[], Awaitable[T | None]], what: str, within_s: float = WITHIN_S) -> T:
    """Look until there is something. Raises AssertionError naming `what`."""
    deadline = time.monotonic() + within_s
    while (found := await look()) is None:
        assert time.monotonic() < deadline, f"{what}: not within {within_s:g} s"
        await asyncio.sleep(0.05)
    return found


def say(words: str) -> None:
    """For whoever runs with `-s`: what was done, and how long it took."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


async def _quiet(_: Exception) -> None:
    """Errors of a short-lived connection are raised where they matter."""
