"""The console's neighbours: a bus with real messages, and the incidents API faked at the wire."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from nats.aio.client import Client
from nats.js import JetStreamContext
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cli.runtime.ports import Ports
from services.console.bootstrap import bootstrap
from services.console.settings import Settings
from shared import contracts as c
from shared.config.checks import CheckKind
from shared.config.slice_models import Band, ConsoleCheck, ConsoleRule, ConsoleService, ConsoleSlice
from shared.config.types import Unit
from shared.kit.bus import Publisher, connected, declare_all
from shared.kit.clock import SystemClock
from shared.kit.http import bind, problem, serving
from shared.kit.revisions import move_pointer, store_slice
from shared.kit.service import end_tasks
from shared.kit.settings import BusSettings
from shared.kit.tokens import Role, store_token
from shared.values import (
    CheckId,
    IncidentId,
    Location,
    Outcome,
    Partition,
    PersonId,
    RuleId,
    ServiceId,
    Severity,
)
from tests.fakes.embedded import NatsServer
from tests.fakes.keys import BUS_PASSWORDS, TOKEN_KEY

MAIN = Location("main")
RESPONDER = "hc_ana-the-responder"
MANAGER = "hc_mira-the-manager"
VIEWER = "hc_a-viewer-of-the-wall"
INCIDENT = IncidentId("019c79b5-3a2a-7c31-9b8e-5f0c2d6e7a10")
CHECKS = {
    "web-health": ("erp-web", "http://127.0.0.1:3001/health", 5),
    "web-metrics": ("erp-web", "http://127.0.0.1:3001/api/metrics", 10),
    "web-login": ("erp-web", "https://erp.example.org/login/form/with/a/rather/long/path", 10),
    "db-status": ("erp-db", "http://127.0.0.1:3001/api/db-status", 10),
    "db-replica": ("erp-db", "http://127.0.0.1:3002/api/db-status", 10),
    "nightly-backup": ("erp-jobs", None, 86_400),
}
PARTITIONS = {"erp-web": Partition(7), "erp-db": Partition(3), "erp-jobs": Partition(11)}


def console_slice() -> ConsoleSlice:
    """What a small go-live watches."""
    bands = (Band(severity=Severity.HIGH, value=0.5, text="500ms"),)
    return ConsoleSlice(
        programme="erp-go-live",
        timezone="Europe/Berlin",
        public_url="http://127.0.0.1:8800",
        locations=(MAIN,),
        services={
            ServiceId("erp-web"): ConsoleService(
                description="ERP front end", runbook="https://wiki.example.org/erp", partition=PARTITIONS["erp-web"]
            ),
            ServiceId("erp-db"): ConsoleService(
                description="its database", runbook=None, partition=PARTITIONS["erp-db"]
            ),
            ServiceId("erp-jobs"): ConsoleService(
                description="nightly jobs", runbook=None, partition=PARTITIONS["erp-jobs"]
            ),
        },
        checks={CheckId(name): _check(name) for name in CHECKS},
        rules={
            RuleId("web-down"): _rule("web-health", "2 of 3 probes failed", None, ()),
            RuleId("web-slow"): _rule("web-health", "p95 of total over 5m above 500ms high", "total", bands),
        },
        people={PersonId("ana"): "Ana Sommer", PersonId("joao"): "João Prado"},
    )


def _check(name: str) -> ConsoleCheck:
    service, target, every = CHECKS[name]
    return ConsoleCheck(
        service=ServiceId(service),
        kind=CheckKind.HTTP if target else CheckKind.HEARTBEAT,
        every=timedelta(seconds=every),
        values={"cache_hit_rate": Unit.PERCENT} if name == "web-metrics" else {},
        target=target,
    )


def _rule(check: str, summary: str, of: str | None, bands: tuple[Band, ...]) -> ConsoleRule:
    service = ServiceId(CHECKS[check][0])
    return ConsoleRule(
        check=CheckId(check), service=service, summary=summary, bands=bands, of=of, severity=Severity.CRITICAL
    )


@dataclass
class IncidentsFake:
    """Answers like the incidents service and remembers what it was asked."""

    url: str = ""
    asked: list[tuple[str, str, dict[str, object]]] = field(default_factory=list)
    """Path, bearer token, body."""
    refuses: str | None = None
    stage: str = "response"

    def app(self) -> Starlette:
        """The endpoints the console calls."""
        base = "/api/v1/incidents/{incident}"
        return Starlette(
            routes=[
                Route(base, self._incident),
                Route(f"{base}/timeline", self._timeline),
                Route(f"{base}/{{action}}", self._act, methods=["POST"]),
            ]
        )

    async def _act(self, request: Request) -> Response:
        self._note(request, await request.json())
        if self.refuses:
            return problem(409, "Not possible now", self.refuses)
        return JSONResponse({"incident": request.path_params["incident"]})

    async def _incident(self, request: Request) -> Response:
        self._note(request, {})
        return JSONResponse({"stage": self.stage, "watch": {"needed_s": 1800.0, "covered_s": 605.0}})

    async def _timeline(self, request: Request) -> Response:
        self._note(request, {})
        at = datetime.now(UTC) - timedelta(minutes=7)  # noqa: TID251  # a neighbour's own clock
        entries = [
            ("opened", "2 of the last 3 probes failed: answered 500, expected 200", "hypercare"),
            ("page_requested", "page to ana, step 1 of the policy", "hypercare"),
            ("undeliverable", "no channel of joao is left", "hypercare"),
            ("note", "<b>database</b> looks fine, checking the front end", "ana"),
        ]
        lines = [
            {"at": (at + timedelta(seconds=20 * n)).isoformat(), "kind": kind, "text": text, "actor": actor}
            for n, (kind, text, actor) in enumerate(entries)
        ]
        return JSONResponse({"entries": lines})

    def _note(self, request: Request, body: dict[str, object]) -> None:
        self.asked.append((request.url.path, request.headers["authorization"].removeprefix("Bearer "), body))


@dataclass
class World:
    """A bus that somebody publishes on."""

    server: NatsServer
    client: Client
    js: JetStreamContext
    publisher: Publisher
    incidents: IncidentsFake
    clock: SystemClock = field(default_factory=SystemClock)
    _batches: int = 0

    async def apply(self, config: ConsoleSlice | None = None) -> None:
        """Make a configuration current, as `hypercare apply` does."""
        config = config or console_slice()
        await store_slice(self.js, "console", config.digest(), config.model_dump_json().encode())
        await move_pointer(self.js, {"console": config.digest()}, at="", by="test")

    async def say(self, *messages: c.Message) -> None:
        """Publish, in order, each stored before the next."""
        for message in messages:
            await self.publisher.publish(message)

    async def sample(
        self,
        check: str,
        outcome: Outcome = Outcome.OK,
        took_s: float = 0.184,
        *,
        at: datetime | None = None,
        **more: object,
    ) -> None:
        """One look at one check, in a batch of its own."""
        self._batches += 1
        sample = c.Sample.model_validate(
            {"check": check, "due_at": at or self.clock.now(), "took_s": took_s, "outcome": outcome, **more}
        )
        await self.say(self._batch(PARTITIONS[CHECKS[check][0]], [sample]))

    async def silence(self) -> None:
        """Empty batches of every partition: "I am here"."""
        for partition in PARTITIONS.values():
            self._batches += 1
            await self.say(self._batch(partition, []))

    @contextlib.asynccontextmanager
    async def breathing(self) -> AsyncIterator[None]:
        """Empty batches twice a second while the block runs, as a prober sends them."""

        async def breathe() -> None:
            while True:
                await self.silence()
                await asyncio.sleep(0.5)

        task = asyncio.create_task(breathe())
        try:
            yield
        finally:
            await end_tasks([task])

    def _batch(self, partition: Partition, samples: list[c.Sample]) -> c.SampleBatch:
        return c.SampleBatch(
            partition=partition, location=MAIN, prober="prober-0-abcd", batch=self._batches, samples=samples
        )

    def breach(self, began_at: datetime, rev: int = 10) -> c.OpenBreach:
        """`web-down`, open."""
        return c.OpenBreach(
            key=c.BreachKey(rule=RuleId("web-down"), check=CheckId("web-health"), location=MAIN),
            rev=rev,
            service=ServiceId("erp-web"),
            severity=Severity.CRITICAL,
            symptom="web-down",
            cause=c.Cause.THRESHOLD,
            began_at=began_at,
            summary="2 of the last 3 probes failed: answered 500, expected 200",
            value=2.0,
            threshold=2.0,
        )

    def opened(self, began_at: datetime, rev: int = 10) -> c.BreachOpened:
        """The verdict that opens it."""
        return c.BreachOpened.of(c.evaluator_source(PARTITIONS["erp-web"]), self.breach(began_at, rev), began_at)

    def incident(self, kind: type[c.IncidentEvent], sequence: int, stage: c.Stage, **more: object) -> c.IncidentEvent:
        """An event of the one incident; opened seven minutes ago, its stage due in eight unless said otherwise."""
        now = self.clock.now()
        fields: dict[str, object] = {
            "event_id": f"event-{more.get('incident', INCIDENT)}-{sequence}",
            "occurred_at": now,
            "incident": INCIDENT,
            "name": "2026-02-20-web-down",
            "sequence": sequence,
            "service": "erp-web",
            "symptom": "web-down",
            "severity": "critical",
            "stage": stage,
            "ack_epoch": 1,
            "opened_at": now - timedelta(minutes=7),
            "stage_entered_at": now - timedelta(minutes=7),
            "stage_due_at": now + timedelta(minutes=8, seconds=20),
            "summary": "2 of the last 3 probes failed: answered 500, expected 200",
            "actor": "hypercare",
        }
        return kind.model_validate({**fields, **more})

    def receipt(
        self, person: str, state: c.PageState, channel: str | None = "email", *, rung: int = 0, **more: object
    ) -> c.PageReceipt:
        """What became of a page to this person."""
        incident = IncidentId(str(more.get("incident", INCIDENT)))
        to = c.Addressee(person=PersonId(person))
        page = c.page_id(incident, 1, 0, rung, to, c.PageKind.PAGE)
        fields: dict[str, object] = {
            "event_id": f"{page}-{channel}-{state}",
            "occurred_at": self.clock.now(),
            "page": page,
            "incident": incident,
            "ack_epoch": 1,
            "addressee": to,
            "kind": c.PageKind.PAGE,
            "state": state,
            "delivery": c.delivery_id(page, channel) if channel else None,
            "channel": channel,
            "attempt": 1,
        }
        return c.PageReceipt.model_validate({**fields, **more})

    async def hour(self) -> None:
        """An hour of measurements behind us, with a bump and a bad minute in `web-health`."""
        first = self.clock.now().replace(second=0, microsecond=0) - timedelta(minutes=58)
        for name, (service, target, _) in CHECKS.items():
            if target is None:
                continue
            for minute in range(57):
                wave = 0.16 + 0.03 * math.sin(minute / 4 + len(name)) + 0.008 * (minute * 7 % 5)
                took = wave + (0.35 if name == "web-health" and 20 <= minute < 26 else 0)
                failed = 3 if name == "web-health" and minute in {31, 32} else 0
                series = c.SeriesSummary(count=12, min=took, max=took, mean=took, p50=took, p95=took, p99=took)
                await self.say(
                    c.Measurement(
                        partition=PARTITIONS[service], service=ServiceId(service), check=CheckId(name), location=MAIN,
                        minute_at=first + timedelta(minutes=minute), ok=12 - failed, failed=failed, unknown=0,
                        expected=12, coverage=1.0, series={"total": series},
                    )
                )  # fmt: skip


def as_user(server: NatsServer, user: str) -> BusSettings:
    """How this user reaches the bus."""
    return BusSettings(nats_url=server.url, nats_user=user, nats_password=SecretStr(BUS_PASSWORDS[user]))


@contextlib.asynccontextmanager
async def world(server: NatsServer) -> AsyncIterator[World]:
    """A declared bus with two tokens, and the neighbour."""
    fake = IncidentsFake()
    sock = bind("127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    async with serving(fake.app(), sock, drain_s=1), connected(as_user(server, "admin"), "test") as client:
        js = client.jetstream()
        await declare_all(js)
        publisher = Publisher(client, "/hypercare/test")
        await publisher.start()
        made = World(server, client, js, publisher, fake)
        await store_token(js, TOKEN_KEY, RESPONDER, "ana", Role.RESPONDER, made.clock.now())
        await store_token(js, TOKEN_KEY, MANAGER, "mira", Role.MANAGER, made.clock.now())
        await store_token(js, TOKEN_KEY, VIEWER, "wall", Role.VIEWER, made.clock.now())
        yield made


@dataclass(frozen=True)
class Console:
    """A running console."""

    url: str
    ops: str


@contextlib.asynccontextmanager
async def console(there: World, *, instance: str = "console-0", recheck_s: float = 30) -> AsyncIterator[Console]:
    """The real console, as bootstrapped, on a free port."""
    ports = Ports()
    port, ops_port = ports.choose("console"), ports.choose("ops")
    settings = Settings(
        nats_url=there.server.url,
        nats_user="console",
        nats_password=SecretStr(BUS_PASSWORDS["console"]),
        token_key=SecretStr(TOKEN_KEY),
        incidents_url=there.incidents.url,
        http_port=port,
        ops_port=ops_port,
        instance=instance,
        drain_s=1,
        console_recheck_s=recheck_s,
    )
    async with bootstrap(settings) as running:
        try:
            yield Console(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{ops_port}")
        finally:
            for hook in running.on_stop:
                hook()
            await end_tasks(running.tasks)
