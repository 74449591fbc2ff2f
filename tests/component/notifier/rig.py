"""One notifier (or two) as bootstrapped, on a real bus, a real database and the drill's sinks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import nats
from nats.aio.client import Client
from nats.js import JetStreamContext

from cli.runtime.ports import Ports
from services.notifier.adapters.postgres import MIGRATIONS
from services.notifier.bootstrap import bootstrap
from services.notifier.settings import Settings
from shared.config.slice_models import NotifierSlice
from shared.contracts.base import Message, derived_id
from shared.contracts.pages import Addressee, PageCancelled, PageKind, PageReceipt, PageRequested, page_id
from shared.kit.bus import Publisher, declare_all
from shared.kit.clock import SystemClock
from shared.kit.migrations import migrate, read_migrations
from shared.kit.revisions import move_pointer, store_slice
from shared.kit.service import end_tasks
from shared.kit.tokens import Role, new_token, store_token
from shared.values import IncidentId, PersonId, ServiceId, Severity
from tests.fakes.keys import TOKEN_KEY
from tests.fakes.sinks import Sinks

LINK_KEY = "a-key-for-links-in-tests"
TWILIO_SID = "AC" + "0" * 32
SECRETS = {"TEST_TWILIO_SID": TWILIO_SID, "TEST_TWILIO_TOKEN": "twilio-token", "TEST_HOOK_SECRET": "hook-secret"}


def slice_for(sinks: Sinks, public_url: str, **changes: Any) -> NotifierSlice:
    """Three people: ana by mail then SMS, joao by SMS then mail, kim by chat; and every channel once."""
    mail = {"name": "email-smtp-0", "host": "127.0.0.1", "port": sinks.smtp_port, "sender": "pager@example.org"}
    fields: dict[str, Any] = {
        "programme": "go-live",
        "timezone": "Europe/Berlin",
        "public_url": public_url,
        "people": {
            "ana": _person("Ana Sommer", ("email", "ana@example.org"), ("sms", "+4915112345678")),
            "joao": _person("João Prado", ("sms", "+5511987654321"), ("email", "joao@example.org")),
            "kim": _person("Kim Lee", ("chat", "U024BE7LH")),
            "pat": _person("Pat Roe", ("email", "pat@example.org")),
        },
        "email": [{**mail, "username": None, "password": None, "starttls": False}],
        "sms": [
            {
                "name": "sms-twilio-0",
                "account": "env:TEST_TWILIO_SID",
                "token": "env:TEST_TWILIO_TOKEN",
                "sender": "+4930123456",
                "api_url": sinks.addresses.twilio_url,
            }
        ],
        "chat": [{"name": "chat-slack-0", "webhook": "env:TEST_SLACK_HOOK"}],
        "webhook": [
            {"name": "webhook-0", "url": sinks.addresses.webhook_url, "secret": "env:TEST_HOOK_SECRET"},
        ],
    }
    return NotifierSlice.model_validate({**fields, **changes})


def _person(name: str, *reach: tuple[str, str]) -> dict[str, Any]:
    contacts = [{"kind": kind, "address": address} for kind, address in reach]
    return {"name": name, "timezone": "Europe/Berlin", "language": "en", "reach": contacts}


def request(
    person: str | None = "ana",
    *,
    incident: str = "0190-inc",
    rung: int = 0,
    kind: PageKind = PageKind.PAGE,
    **more: Any,
) -> PageRequested:
    """A page for somebody (None with `addressee` for a channel)."""
    who = more.pop("addressee", None) or Addressee(person=PersonId(person or ""))
    epoch, round_, at = more.pop("ack_epoch", 0), more.pop("round_", 0), more.pop("at", datetime.now(UTC))  # noqa: TID251  # the test's own clock
    page = page_id(IncidentId(incident), epoch, round_, rung, who, kind)
    fields: dict[str, Any] = {
        "event_id": derived_id(PageRequested, page, 0),
        "occurred_at": at,
        "page": page,
        "incident": incident,
        "incident_name": f"2026-02-20-{incident}",
        "service": ServiceId("erp-web"),
        "ack_epoch": epoch,
        "round": round_,
        "rung": rung,
        "addressee": who,
        "kind": kind,
        "severity": Severity.CRITICAL,
        "title": "ERP is down",
        "lines": ["2 of 3 probes failed"],
    }
    return PageRequested.model_validate({**fields, **more})


def cancel(incident: str = "0190-inc", *, ack_epoch: int = 0, reason: str = "cleared") -> PageCancelled:
    now = datetime.now(UTC)  # noqa: TID251  # the test's own clock
    return PageCancelled(
        event_id=derived_id(PageCancelled, incident, ack_epoch, reason),
        occurred_at=now,
        incident=IncidentId(incident),
        ack_epoch=ack_epoch,
        reason=reason,
    )


@dataclass
class Rig:
    """The world around the notifier."""

    client: Client
    js: JetStreamContext
    publisher: Publisher
    nats_url: str
    dsn: str
    ports: Ports = field(default_factory=Ports)
    receipts: list[PageReceipt] = field(default_factory=list)
    revision: int = 0

    def __post_init__(self) -> None:
        self.public_port = self.ports.choose("public")

    @property
    def public_url(self) -> str:
        return f"http://127.0.0.1:{self.public_port}"

    def settings(self, instance: str = "n1", **changes: Any) -> Settings:
        fields: dict[str, Any] = {
            "instance": instance,
            "nats_url": self.nats_url,
            "database_url": self.dsn,
            "link_key": LINK_KEY,
            "token_key": TOKEN_KEY,
            "http_port": self.public_port,
            "http_shared_port": True,
        }
        return Settings(**{**fields, **changes})

    async def apply(self, config: NotifierSlice) -> None:
        digest = config.digest()
        await store_slice(self.js, "notifier", digest, config.model_dump_json().encode())
        await move_pointer(self.js, {"notifier": digest}, at="now", by="test")

    async def publish(self, message: Message) -> None:
        await self.publisher.publish(message)

    def states(self, page: str, *, channel: str | None = None) -> list[str]:
        """The receipts of a page so far, in order."""
        found = [one for one in self.receipts if one.page == page]
        return [one.state.value for one in found if channel is None or one.channel == channel]

    async def until(self, is_true: Callable[[], bool], what: str, limit_s: float = 15.0) -> None:
        await until(is_true, what, limit_s, lambda: [f"{r.page[:6]} {r.channel} {r.state}" for r in self.receipts])

    async def token(self, role: Role = Role.VIEWER) -> str:
        token = new_token()
        await store_token(self.js, TOKEN_KEY, token, "tester", role, SystemClock().now())
        return token


async def until(
    is_true: Callable[[], bool], what: str, limit_s: float = 15.0, story: Callable[[], object] = lambda: ""
) -> None:
    """Wait for a condition; say what was waited for when it does not come."""
    deadline = asyncio.get_running_loop().time() + limit_s
    while not is_true():
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"{what}: not within {limit_s} s; {story()}")
        await asyncio.sleep(0.005)


async def until_async(is_true: Callable[[], Awaitable[bool]], what: str, limit_s: float = 15.0) -> None:
    deadline = asyncio.get_running_loop().time() + limit_s
    while not await is_true():
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"{what}: not within {limit_s} s")
        await asyncio.sleep(0.02)


@asynccontextmanager
async def rig_on(nats_url: str, dsn: str) -> AsyncIterator[Rig]:
    """Declare and migrate, then listen to receipts."""
    client = await nats.connect(nats_url)
    try:
        js = client.jetstream()
        await declare_all(js)
        await migrate(dsn, "notifier", read_migrations(MIGRATIONS))
        publisher = Publisher(client, "/hypercare/test")
        await publisher.start()
        rig = Rig(client, js, publisher, nats_url, dsn)

        async def note(msg: Any) -> None:
            rig.receipts.append(PageReceipt.from_json(msg.data))

        await client.subscribe("hc.receipts.v1.>", cb=note)
        await client.flush()
        yield rig
    finally:
        await client.close()


@asynccontextmanager
async def notifier(rig: Rig, instance: str = "n1", **changes: Any) -> AsyncIterator[None]:
    """Run one replica in this event loop; its tasks must not end by themselves."""
    async with bootstrap(rig.settings(instance, **changes)) as running:
        try:
            yield
        finally:
            for hook in running.on_stop:
                hook()
            ended = [task for task in running.tasks if task.done()]
            await end_tasks(running.tasks)
            assert not ended, f"ended by itself: {ended}"


@asynccontextmanager
async def web() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        yield client


@asynccontextmanager
async def many(*managers: contextlib.AbstractAsyncContextManager[None]) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for one in managers:
            await stack.enter_async_context(one)
        yield
