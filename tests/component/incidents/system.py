"""One incidents replica (or several) as it is started for real, with its neighbours faked at the wire."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from services.incidents.adapters.postgres import SCHEMA
from services.incidents.bootstrap import MIGRATIONS
from shared.config import parse, slices
from shared.contracts import (
    BY_TYPE,
    BreachCleared,
    BreachKey,
    BreachOpened,
    Cause,
    ClearReason,
    Message,
    OpenBreach,
    OpenSet,
    PageReceipt,
    PageRequested,
    PageState,
)
from shared.kit.bus import Publisher, declare_all
from shared.kit.clock import SystemClock, to_ns
from shared.kit.migrations import migrate, read_migrations
from shared.kit.revisions import move_pointer, store_slice
from shared.kit.tokens import Role, new_token, store_token
from shared.values import CheckId, Location, RuleId, ServiceId, Severity
from tests.fakes.keys import TOKEN_KEY

T = TypeVar("T")

CONFIGURATION = """
version: 1
programme: erp-go-live
timezone: Europe/Berlin
public_url: http://127.0.0.1:8800
locations: [main]
services:
  erp-web: {escalation: erp}
  erp-db: {escalation: erp}
  erp-0: {escalation: erp}
  erp-1: {escalation: erp}
  erp-2: {escalation: erp}
  erp-3: {escalation: erp}
  erp-4: {escalation: erp}
  erp-5: {escalation: erp}
checks:
  web-health: {service: erp-web, every: 5s, timeout: 2s, http: {url: 'http://127.0.0.1:3001/health'}}
rules:
  web-down: {check: web-health, failed: {at_least: 2, of: 3}, severity: critical}
people:
  ana: {name: Ana, reach: [{email: ana@example.org}]}
  joao: {name: João, reach: [{email: joao@example.org}]}
  mira: {name: Mira, role: manager, reach: [{email: mira@example.org}]}
escalations:
  erp:
    tell: [{chat: '#erp-launch'}]
    critical: {steps: [{notify: [ana], wait: 1s}, {notify: [joao]}]}
    default: {steps: [{notify: [ana]}]}
channels:
  email: [{smtp: {host: 127.0.0.1, port: 2525, from: pager@example.org}}]
  chat: [{slack: {webhook: env:SLACK_WEBHOOK}}]
workflow:
  resolution: {watch: 3s}
"""

SOURCE = "evaluator-7"
KEY = BreachKey(rule=RuleId("web-down"), check=CheckId("web-health"), location=Location("main"))
DEADLINE_S = 25.0
"""Generous: two busy cores; and less than a redelivery takes (30 s), so that no test passes by one."""


async def until(ask: Callable[[], Awaitable[T | None]], what: str, limit_s: float = DEADLINE_S) -> T:
    """Ask until there is an answer."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit_s
    while True:
        found = await ask()
        if found is not None:
            return found
        if loop.time() > deadline:
            raise TimeoutError(f"{what}: not within {limit_s} s")
        await asyncio.sleep(0.01)


def now_rev() -> int:
    return to_ns(SystemClock().now())


def breach(rev: int, service: str = "erp-web") -> OpenBreach:
    return OpenBreach(
        key=KEY,
        rev=rev,
        service=ServiceId(service),
        severity=Severity.CRITICAL,
        symptom="web-down",
        cause=Cause.THRESHOLD,
        began_at=datetime(2026, 2, 20, 8, 15, tzinfo=UTC),
        summary="2 of the last 3 probes failed: answered 500, expected 200",
    )


@dataclass
class Replica:
    """One process of the service."""

    process: asyncio.subprocess.Process
    port: int = 0

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            return await self.process.wait()


@dataclass
class System:
    """The bus, the database and what was heard on the bus."""

    nats_url: str
    dsn: str
    folder: Path
    client: Client
    publisher: Publisher
    token: str
    manager_token: str
    heard: list[Message] = field(default_factory=list)
    replicas: list[Replica] = field(default_factory=list)

    async def start(self, name: str = "incidents-0", **env: str) -> Replica:
        log = (self.folder / f"{name}.log").open("ab")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.incidents",
            stdout=log,
            stderr=log,
            env={
                "PATH": os.defpath,
                "HYPERCARE_NATS_URL": self.nats_url,
                "HYPERCARE_DATABASE_URL": self.dsn,
                "HYPERCARE_INSTANCE": name,
                "HYPERCARE_TOKEN_KEY": TOKEN_KEY,
                "HYPERCARE_POOL_SIZE": "4",
                **env,
            },
        )
        log.close()
        replica = Replica(process)
        self.replicas.append(replica)
        return replica

    async def ready(self, name: str = "incidents-0", **env: str) -> Replica:
        """Start a replica and wait until its ops endpoint says that it is ready."""
        replica = await self.start(name, **env)
        beat = await until(lambda: self.beat(name, replica), f"{name} beats")
        replica.port = int(beat["http"].rpartition(":")[2])

        async def is_ready() -> bool | None:
            return None if await self.problems(beat) else True

        await until(is_ready, f"{name} is ready")
        return replica

    async def problems(self, beat: dict[str, str]) -> dict[str, str]:
        """What readiness says is wrong."""
        async with httpx.AsyncClient() as http:
            said: dict[str, str] = (await http.get(f"{beat['ops']}/readyz")).json()["problems"]
        return said

    async def configure(self, text: str = CONFIGURATION) -> None:
        part = slices(parse(text, "test.yaml", {}))["incidents"]
        await self.apply(part.digest(), part.model_dump_json().encode())

    async def apply(self, digest: str, data: bytes) -> None:
        js = self.client.jetstream()
        await store_slice(js, "incidents", digest, data)
        await move_pointer(js, {"incidents": digest}, at="now", by="test")

    async def beat(self, name: str, replica: Replica) -> dict[str, str] | None:
        if replica.process.returncode is not None:
            raise RuntimeError((self.folder / f"{name}.log").read_text())
        bucket = await self.client.jetstream().key_value("members")
        with contextlib.suppress(nats.js.errors.KeyNotFoundError):
            entry = await bucket.get(f"incidents.{name}")
            facts: dict[str, str] = json.loads(entry.value or b"{}")["facts"]
            return facts if facts["pid"] == str(replica.process.pid) else None
        return None

    async def say(self, message: Message) -> None:
        await self.publisher.publish(message)

    async def open_breach(self, source: str = SOURCE, service: str = "erp-web") -> int:
        rev = now_rev()
        await self.say(BreachOpened.of(source, breach(rev, service), SystemClock().now()))
        return rev

    async def clear_breach(self, rev: int, reason: ClearReason = ClearReason.HEALED) -> None:
        cleared = BreachCleared.of(SOURCE, ServiceId("erp-web"), KEY, rev, SystemClock().now(), reason, "5 good probes")
        await self.say(cleared)

    async def state_open_set(self, breaches: list[OpenBreach], source: str = SOURCE) -> None:
        at = SystemClock().now()
        covered = {"erp-web": 1.0}
        await self.say(OpenSet(source=source, as_of=to_ns(at), at=at, covered=covered, breaches=breaches))

    async def stored(self, stream: str) -> list[Message]:
        """Everything a stream holds, in order."""
        js = self.client.jetstream()
        last = (await js.stream_info(stream)).state.last_seq
        messages = [await js.get_msg(stream, seq) for seq in range(1, last + 1)]
        return [BY_TYPE[(one.headers or {})["ce-type"]].from_json(one.data or b"") for one in messages]

    async def give_receipt(self, page: PageRequested, state: PageState, **more: Any) -> None:
        await self.say(
            PageReceipt(
                event_id=f"{page.page}-{state.value}",
                occurred_at=SystemClock().now(),
                page=page.page,
                incident=page.incident,
                ack_epoch=page.ack_epoch,
                addressee=page.addressee,
                kind=page.kind,
                state=state,
                **more,
            )
        )

    async def hear(self, what: Callable[[Message], bool], name: str) -> Message:
        async def look() -> Message | None:
            return next((one for one in self.heard if what(one)), None)

        return await until(look, name)

    async def hear_page(self, person: str, service: str = "erp-web") -> PageRequested:
        def is_it(message: Message) -> bool:
            return (
                isinstance(message, PageRequested)
                and message.kind == "page"
                and message.addressee.person == person
                and message.service == service
            )

        page = await self.hear(is_it, f"page to {person}")
        assert isinstance(page, PageRequested)
        return page

    async def ask(self, method: str, path: str, body: object = None, *, token: str | None = None) -> httpx.Response:
        replica = next(one for one in reversed(self.replicas) if one.port and one.process.returncode is None)
        headers = {"authorization": f"Bearer {self.token if token is None else token}"}
        async with httpx.AsyncClient() as http:
            return await http.request(
                method, f"http://127.0.0.1:{replica.port}/api/v1/incidents{path}", json=body, headers=headers
            )


async def _quiet(_: Exception) -> None:
    """The bus goes away on purpose in some tests."""


@contextlib.asynccontextmanager
async def running_system(nats_url: str, dsn: str, folder: Path, *, is_configured: bool = True) -> AsyncIterator[System]:
    client = await nats.connect(nats_url, max_reconnect_attempts=-1, reconnect_time_wait=0.1, error_cb=_quiet)
    try:
        publisher = Publisher(client, "/hypercare/test")
        await publisher.start()
        js = client.jetstream()
        await declare_all(js)
        await migrate(dsn, SCHEMA, read_migrations(MIGRATIONS))
        tokens = {role: new_token() for role in (Role.RESPONDER, Role.MANAGER)}
        for role, token in tokens.items():
            name = "ana" if role is Role.RESPONDER else "mira"
            await store_token(js, TOKEN_KEY, token, name, role, SystemClock().now())
        system = System(nats_url, dsn, folder, client, publisher, tokens[Role.RESPONDER], tokens[Role.MANAGER])
        if is_configured:
            await system.configure()

        async def take(msg: Msg) -> None:
            system.heard.append(BY_TYPE[(msg.headers or {})["ce-type"]].from_json(msg.data))

        for stream, subject in (("INCIDENTS", "hc.incidents.v1.>"), ("PAGES", "hc.pages.v1.>")):
            await js.subscribe(subject, stream=stream, ordered_consumer=True, cb=take)
        try:
            yield system
        finally:
            for replica in system.replicas:
                await replica.kill()
    finally:
        await client.close()
