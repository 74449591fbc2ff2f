"""Handlers and acts over a store of your choice, a fake clock, and a small plan."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from services.incidents.acts import Acts
from services.incidents.adapters.memory import MemoryStore
from services.incidents.domain.incident import Incident
from services.incidents.domain.plan import Escalation, Plan, Policy, Service, StagePlan, Step
from services.incidents.handlers import Handlers
from services.incidents.ports import IncidentStore
from shared.contracts import (
    Addressee,
    BreachChanged,
    BreachCleared,
    BreachKey,
    BreachOpened,
    Cause,
    ClearReason,
    Message,
    OpenBreach,
    OpenSet,
    PageKind,
    PageReceipt,
    PageRequested,
    PageState,
    Stage,
)
from shared.values import CheckId, Location, PersonId, RuleId, ServiceId, Severity, stable_id
from tests.fakes.clock import FakeClock

START = datetime(2026, 2, 20, 8, 15, tzinfo=UTC)
WEB = ServiceId("erp-web")
SOURCE = "evaluator-7"
CHAT = Addressee(channel="chat", target="#erp-launch")

ANA, JOAO, MIRA, LI = (PersonId(name) for name in ("ana", "joao", "mira", "li"))


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


CRITICAL = Policy((Step((ANA,), minutes(3)), Step((JOAO,), minutes(5)), Step((MIRA,), minutes(5))), repeat=1)
HIGH = Policy((Step((ANA,), minutes(10)), Step((JOAO, LI), None)))
DEFAULT = Policy((Step((LI,), None),))

STAGES = {
    Stage.ALERT: StagePlan(
        clock=dict.fromkeys(Severity, minutes(5)),
        update_every={Severity.CRITICAL: minutes(5)},
        message="{SEVERITY} INCIDENT: {summary}",
    ),
    Stage.ASSESSMENT: StagePlan(
        clock=dict.fromkeys(Severity, minutes(10)),
        update_every={Severity.CRITICAL: minutes(5)},
        checklist=("What's broken?",),
    ),
    Stage.RESPONSE: StagePlan(
        clock={Severity.CRITICAL: minutes(30), Severity.HIGH: minutes(240)},
        update_every={Severity.CRITICAL: minutes(15)},
    ),
    Stage.RESOLUTION: StagePlan(
        checklist=("System operational?", "Alerts cleared?"),
        is_gated=True,
        message="RESOLVED: {what}\nMonitoring closely for {watch}",
        watch=dict.fromkeys(Severity, minutes(30)),
    ),
    Stage.POST_MORTEM: StagePlan(
        clock=dict.fromkeys(Severity, minutes(1440)),
        checklist=("What happened?", "What was the root cause?"),
        is_gated=True,
    ),
}

PLAN = Plan(
    programme="erp-go-live",
    timezone="Europe/Berlin",
    url="http://127.0.0.1:8800",
    services={WEB: Service("erp", "https://wiki.example.org/erp"), ServiceId("erp-db"): Service("erp")},
    runbooks={RuleId("web-down"): None, RuleId("web-slow"): "https://wiki.example.org/slow"},
    escalations={"erp": Escalation({Severity.CRITICAL: CRITICAL, Severity.HIGH: HIGH}, tell=(CHAT,), default=DEFAULT)},
    people=(ANA, JOAO, MIRA, LI),
    managers=(MIRA,),
    stages=STAGES,
)


def key(rule: str = "web-down", check: str = "web-health") -> BreachKey:
    return BreachKey(rule=RuleId(rule), check=CheckId(check), location=Location("main"))


def silent(location: str = "fra") -> BreachKey:
    """What the evaluator says of each service that a location watched."""
    return BreachKey(rule=RuleId("prober-down"), check=CheckId(""), location=Location(location))


def stated(
    rev: int,
    *,
    severity: Severity = Severity.CRITICAL,
    service: ServiceId = WEB,
    symptom: str = "web-down",
    of: BreachKey | None = None,
) -> OpenBreach:
    return OpenBreach(
        key=of or key(),
        rev=rev,
        service=service,
        severity=severity,
        symptom=symptom,
        cause=Cause.THRESHOLD,
        began_at=START,
        summary="2 of the last 3 probes failed",
    )


class House:
    """The service without its edges."""

    def __init__(self, store: IncidentStore | None = None, plan: Plan = PLAN, now: datetime = START) -> None:
        self.memory = MemoryStore()
        self.store: IncidentStore = store or self.memory
        self.current_plan = plan
        self.clock = FakeClock(now)
        self._ids = 0
        self.handlers = Handlers(self.store, lambda: self.current_plan, self.clock, self._new_id)
        self.acts = Acts(self.store, lambda: self.current_plan, self.clock)

    def _new_id(self, _: datetime) -> str:
        self._ids += 1
        return f"incident-{self._ids}"

    async def open(self, rev: int = 1, *, source: str = SOURCE, **more: object) -> None:
        breach = stated(rev, **more)  # type: ignore[arg-type]  # the tests' own keywords
        await self.handlers.breach_opened(BreachOpened.of(source, breach, self.clock.now()))

    async def change(self, rev: int, severity: Severity) -> None:
        event = BreachChanged.of(SOURCE, stated(rev, severity=severity), self.clock.now())
        await self.handlers.breach_opened(event)

    async def clear(
        self,
        rev: int,
        *,
        reason: ClearReason = ClearReason.HEALED,
        of: BreachKey | None = None,
        source: str = SOURCE,
        service: ServiceId = WEB,
    ) -> None:
        event = BreachCleared.of(source, service, of or key(), rev, self.clock.now(), reason, "5 good probes in a row")
        await self.handlers.breach_cleared(event)

    async def open_set(
        self,
        as_of: int,
        breaches: Iterable[OpenBreach] = (),
        *,
        coverage: float = 1.0,
        source: str = SOURCE,
        services: Iterable[ServiceId] = (WEB,),
    ) -> None:
        statement = OpenSet(
            source=source,
            as_of=as_of,
            at=self.clock.now(),
            covered=dict.fromkeys(services, coverage),
            breaches=list(breaches),
        )
        await self.handlers.open_set_came(statement)

    async def receipt(self, page: PageRequested, state: PageState, **more: object) -> None:
        fields: dict[str, object] = {
            "event_id": stable_id(page.page, state, str(more)),
            "occurred_at": self.clock.now(),
            "page": page.page,
            "incident": page.incident,
            "ack_epoch": page.ack_epoch,
            "addressee": page.addressee,
            "kind": page.kind,
            "state": state,
        }
        await self.handlers.receipt_came(PageReceipt.model_validate({**fields, **more}))

    async def pass_time(self, by: timedelta) -> None:
        """Let time pass, doing what is due at its own instant."""
        end = self.clock.now() + by
        while (due_at := await self.store.next_due_at()) is not None and due_at <= end:
            self.clock.advance(max(timedelta(0), due_at - self.clock.now()))
            await self.handlers.do_due(self.clock.now())
        self.clock.advance(end - self.clock.now())

    async def sleep_through(self, by: timedelta) -> None:
        """Be away: what falls due meanwhile is done after it, all at once."""
        self.clock.advance(by)
        await self.do_due()

    async def do_due(self) -> None:
        while await self.handlers.do_due(self.clock.now()):
            pass

    async def only(self) -> Incident:
        (incident,) = await self.store.newest("all", 100)
        return incident

    @property
    def said(self) -> tuple[Message, ...]:
        return self.memory.outbox

    def pages(self, kind: PageKind = PageKind.PAGE) -> list[PageRequested]:
        """Requests without their repeats."""
        return [m for m in self.requests() if m.kind is kind and m.issue == 0]

    def requests(self) -> list[PageRequested]:
        return [m for m in self.said if isinstance(m, PageRequested)]

    def rung(self) -> list[str]:
        return [page.addressee.text for page in self.pages()]

    async def hand_over_last(self) -> None:
        await self.receipt(self.pages()[-1], PageState.ACCEPTED)

    async def kinds(self) -> list[str]:
        return [entry.kind for entry in await self.store.timeline((await self.only()).id)]


def without(plan: Plan, *gone: PersonId) -> Plan:
    """A newer configuration in which these people are no more."""
    return replace(
        plan,
        people=tuple(p for p in plan.people if p not in gone),
        managers=tuple(p for p in plan.managers if p not in gone),
    )
