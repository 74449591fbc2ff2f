"""A notifier without a world: memory ledger, fake clock, channels that do as they are told."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from services.notifier.adapters.memory import MemoryLedger
from services.notifier.couriers import Courier, Terms
from services.notifier.domain.outcomes import Accepted, SendResult
from services.notifier.domain.plan import Method
from services.notifier.domain.wording import Outgoing
from services.notifier.handlers import Desk, look_at_pages
from services.notifier.ports import Channel, Ledger
from shared.contracts.base import derived_id
from shared.contracts.pages import Addressee, PageKind, PageRequested, PageState, page_id
from shared.kit.health import Health
from shared.values import IncidentId, PageId, PersonId
from tests.fakes.clock import FakeClock

NOW = datetime(2026, 2, 20, 8, tzinfo=UTC)
KINDS = ("email", "sms", "chat", "webhook")

Script = Callable[[Outgoing], SendResult]


@dataclass
class ToldChannel:
    """Does as it is told, message by message; afterwards it accepts everything."""

    name: str
    script: list[SendResult] = field(default_factory=list)
    sent: list[Outgoing] = field(default_factory=list)

    async def send(self, message: Outgoing) -> SendResult:
        self.sent.append(message)
        return self.script.pop(0) if self.script else Accepted(f"id-{len(self.sent)}")


@dataclass
class ToldDirectory:
    """People and providers as a test wants them."""

    people: dict[str, tuple[Method, ...]]
    channels: dict[str, tuple[Channel, ...]]
    public_url: str = "http://hc.test"

    def methods(self, addressee: Addressee) -> tuple[Method, ...]:
        if addressee.person is None:
            return (Method(addressee.channel or "", addressee.target or ""),)
        return self.people.get(addressee.person, ())

    def why_no_methods(self, addressee: Addressee) -> str:
        return f"nobody knows {addressee.text}"

    def providers(self, kind: str) -> tuple[Channel, ...]:
        return self.channels.get(kind, ())

    def name_of(self, addressee: Addressee) -> str:
        return addressee.text.title()


class Office:
    """Everything in one place; `run` does all that is due now."""

    def __init__(self, ledger: Ledger | None = None, **channels: tuple[ToldChannel, ...]) -> None:
        self.clock = FakeClock(NOW)
        self.ledger = ledger or MemoryLedger()
        self.told: dict[str, tuple[ToldChannel, ...]] = {kind: (ToldChannel(f"{kind}-0"),) for kind in KINDS} | channels
        self.directory = ToldDirectory(
            {
                "ana": (Method("sms", "+491", reports=True), Method("email", "ana@x.org")),
                "joao": (Method("email", "joao@x.org"),),
            },
            {kind: tuple(group) for kind, group in self.told.items()},
        )
        self.health = Health()
        self.woken: dict[str, int] = defaultdict(int)
        self.desk = Desk(self.ledger, self.directory, self.clock, b"key", self._wake)
        self.terms = Terms("n1", timedelta(seconds=30), timedelta(seconds=10))
        self.couriers = [Courier(kind, self.desk, self.terms, self.health) for kind in KINDS]

    def _wake(self, kind: str) -> None:
        self.woken[kind] += 1

    async def run(self) -> None:
        """Send and settle everything due, and look at pages, until nothing is due at this instant."""
        worked = True
        while worked:
            worked = await look_at_pages(self.desk, self.clock.now()) > 0
            for courier in self.couriers:
                worked |= await courier.do_due(self.clock.now()) > 0
                await courier.drain(5)

    async def pass_by(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))
        await self.run()

    def sent(self, kind: str, provider: int = 0) -> list[Outgoing]:
        return self.told[kind][provider].sent

    async def states(self, page: PageId) -> dict[str, PageState]:
        view = await self.ledger.view(page)
        assert view is not None
        return {one.channel: one.state for one in view.book.deliveries.values()}

    async def state(self, page: PageId) -> PageState:
        view = await self.ledger.view(page)
        assert view is not None
        return view.book.state


def request(person: str = "ana", *, incident: str = "inc", epoch: int = 0, rung: int = 0, **more: Any) -> PageRequested:
    who = more.pop("addressee", None) or Addressee(person=PersonId(person))
    kind = more.pop("kind", PageKind.PAGE)
    page = page_id(IncidentId(incident), epoch, 0, rung, who, kind)
    fields: dict[str, Any] = {
        "event_id": derived_id(PageRequested, page, 0), "occurred_at": NOW, "page": page, "incident": incident,
        "incident_name": f"2026-02-20-{incident}", "service": "erp-web", "ack_epoch": epoch, "round": 0, "rung": rung,
        "addressee": who, "kind": kind, "severity": "critical", "title": "ERP is down",
    }  # fmt: skip
    return PageRequested.model_validate({**fields, **more})
