"""How a breach becomes a page, from the top.

1. The evaluator says that a rule's condition has become true: `breach_opened`. If nobody told us anything newer of that
   key, the breach joins the open incident of its service and symptom, or opens one.
2. `breaching.open_incident` decides: the first rung of the escalation policy is rung at once, the others are told.
3. The incident, its timeline, its due work and its messages are kept in one transaction; the store publishes them the
   moment it has committed. `PageRequested` is then the notifier's.
4. The notifier's receipts come back: `receipt_came`. The hand-over of a page starts the wait for the next rung
   (`escalation`), an acknowledgement ends it (`acting.acknowledge`).
5. `do_due` does what time brings: the next rung, a stage's clock, a status update, a page nobody has a receipt for.
6. The breach clears, `breach_cleared`, and the watch begins; `open_set_came` counts it, and corrects whatever was lost.

Each handler loads, asks the domain, and keeps what it answered, alone in the breach's scope: its service, or the
location that has gone silent, for which there is one incident however many services are not seen any more.
"""

from dataclasses import dataclass
from datetime import datetime

from services.incidents.domain import acting, breaching, deadlines, escalation, naming, receipts, verdicts
from services.incidents.domain.change import Change
from services.incidents.domain.incident import HYPERCARE, Breach, Incident
from services.incidents.domain.scope import Scope, scope_of
from services.incidents.domain.verdicts import Verdict
from services.incidents.metrics import BREACH_AGE, BREACHES_TAKEN
from services.incidents.ports import CurrentPlan, IncidentStore, NewId, Where, Work
from shared.contracts import BreachCleared, BreachEvent, BreachOpened, OpenBreach, OpenSet, PageReceipt
from shared.kit.clock import Clock
from shared.kit.errors import Transient
from shared.kit.logging import get_logger
from shared.values import IncidentId, ServiceId

log = get_logger()

DUE_BATCH = 20


@dataclass(frozen=True)
class Handlers:
    """Every use case that begins with a message or with time. People's acts are in `acts.py`."""

    store: IncidentStore
    plan: CurrentPlan
    clock: Clock
    new_id: NewId

    async def breach_opened(self, event: BreachOpened) -> None:
        """A breach has opened or moved to another band."""
        now = self.clock.now()
        async with self.store.alone_in(scope_of(event.service, event.key)) as work:
            known = await work.breach(event.source, event.service, event.key)
            heard = await work.heard(event.source)
            ruling = verdicts.opened(known, heard.as_of, event.source, event.breach, now)
            await self._take(work, ruling, event.breach, event.event_id)
        _count(event, ruling[0], now)

    async def breach_cleared(self, event: BreachCleared) -> None:
        """A breach has ended."""
        now = self.clock.now()
        async with self.store.alone_in(scope_of(event.service, event.key)) as work:
            known = await work.breach(event.source, event.service, event.key)
            heard = await work.heard(event.source)
            verdict, breach = verdicts.cleared(
                known, heard.as_of, event.source, event.service, event.key, event.rev, event.reason, now
            )
            if breach is not None:
                await self._close(work, verdict, breach, event)
        _count(event, verdict, now)

    async def _close(self, work: Work, verdict: Verdict, breach: Breach, event: BreachCleared) -> None:
        incident = await work.incident(breach.incident) if breach.incident else None
        if incident is None:
            await work.remember(breach)
        elif verdict is Verdict.CLEARED:
            await work.keep(breaching.cleared(self._change(incident, event.event_id), breach, event.summary))
        else:
            await work.keep(self._change(incident, event.event_id).with_breach(breach))

    async def _take(
        self, work: Work, ruling: verdicts.Ruling, stated: OpenBreach, caused_by: str | None
    ) -> Incident | None:
        """Give a breach that is open to the incident it belongs to; returns that incident."""
        verdict, breach = ruling
        if breach is None:
            return None
        incident = await work.incident(breach.incident) if breach.incident else await work.open_incident(stated.symptom)
        if incident is None:
            change = await self._open(work, breach, stated, caused_by)
        elif verdict is Verdict.LISTED:
            change = self._change(incident, caused_by).with_breach(breach)
        elif verdict is Verdict.CHANGED:
            change = breaching.changed(self._change(incident, caused_by), breach, stated)
        else:
            change = breaching.breached(self._change(incident, caused_by), breach, stated)
        await work.keep(change)
        return change.incident

    async def _open(self, work: Work, breach: Breach, stated: OpenBreach, caused_by: str | None) -> Change:
        now, plan = self.clock.now(), self.plan()
        scope = scope_of(stated.service, stated.key)
        base = naming.base_name(now, plan.timezone, scope, stated.symptom, breach.rule)
        name = naming.free_name(base, await work.names_like(base))
        return breaching.open_incident(plan, IncidentId(self.new_id(now)), name, breach, stated, now, caused_by)

    async def open_set_came(self, statement: OpenSet) -> None:
        """A source restates all that it holds open: open what we missed, end what is not there, count the watch.

        Older statements than the last one are passed over whole. Scopes where nothing can differ are not touched.
        """
        heard = await self.store.heard(statement.source)
        if statement.as_of < heard.as_of:
            return
        listed = {scope_of(breach.service, breach.key) for breach in statement.breaches}
        busy = await self.store.busy([ServiceId(name) for name in statement.covered])
        held = await self.store.held_by(statement.source)
        for scope in sorted(listed | busy | held, key=lambda one: one.text):
            async with self.store.alone_in(scope) as work:
                await self._reconcile(work, scope, statement)
        await self.store.hear(statement.source, statement.as_of, statement.at)

    async def _reconcile(self, work: Work, scope: Scope, statement: OpenSet) -> None:
        now, source = self.clock.now(), statement.source
        if statement.as_of < (await work.heard(source)).as_of:
            return  # another replica was faster with a newer one
        mine = [breach for breach in statement.breaches if scope_of(breach.service, breach.key) == scope]
        for stated in mine:
            known = await work.breach(source, stated.service, stated.key)
            ruling = verdicts.listed(known, statement.as_of, source, stated, now)
            await self._take(work, ruling, stated, statement.msg_id)
        keys = {(stated.service, stated.key) for stated in mine}
        for known in await work.open_breaches(source):
            if (known.service, known.key) not in keys:
                await self._miss(work, verdicts.absent(known, statement.as_of)[1])
        for incident in await work.open_incidents():
            await self._move_on(work, incident, statement)
        # In the same transaction: a rung that falls due right after it must not wait for the statement after this one.
        await work.hear(source, statement.as_of, statement.at)

    async def _miss(self, work: Work, breach: Breach | None) -> None:
        incident = await work.incident(breach.incident) if breach and breach.incident else None
        if breach is not None and incident is not None:
            await work.keep(breaching.gone_missing(self._change(incident), breach))

    async def _move_on(self, work: Work, incident: Incident, statement: OpenSet) -> None:
        """Move the watch on, and let a rung go that waited for word."""
        before = self._change(incident)
        change = before
        shares = [statement.covered[service] for service in incident.services if service in statement.covered]
        if coverage := min(shares, default=0.0):
            change = acting.move_if_met(breaching.watched(change, statement.at, coverage))
        if any(breach.source == statement.source for breach in incident.open_breaches):
            change = escalation.proof_came(change)
        if change != before:
            await work.keep(change)

    async def receipt_came(self, receipt: PageReceipt) -> None:
        """The notifier proves something of a page. Pages that are not of an incident of ours are others' business."""
        where = await self.store.locate(receipt.incident)
        if where is None:
            return
        async with self.store.alone_in(where.scope) as work:
            incident = await work.incident(where.incident)
            if incident is None:
                return
            before = self._change(incident, receipt.event_id)
            change = receipts.received(before, receipt)
            if change.incident != incident:
                await work.keep(change)

    async def do_due(self, now: datetime) -> int:
        """Do what is due, one incident at a time; returns how many incidents had something.

        An incident that cannot be done must not hold up the ones behind it: its error is raised after them.
        """
        found = await self.store.due(now, DUE_BATCH)
        errors: list[Exception] = []
        for where in found:
            try:
                await self._do_due_of(where, now)
            except Transient:
                raise  # the database is away: for all of them
            except Exception as error:  # noqa: BLE001  # our own bug, raised below
                errors.append(error)
        if errors:
            raise errors[0]
        return len(found)

    async def _do_due_of(self, where: Where, now: datetime) -> None:
        async with self.store.alone_in(where.scope) as work:
            incident = await work.incident(where.incident)
            if incident is not None and any(due.at <= now for due in incident.due):
                stated_at = await self._stated_at(work, incident)
                await work.keep(deadlines.fall_due(self._change(incident), stated_at))

    @staticmethod
    async def _stated_at(work: Work, incident: Incident) -> datetime | None:
        """When all sources of the open breaches had last restated what they hold open."""
        heard = [await work.heard(source) for source in {breach.source for breach in incident.open_breaches}]
        instants = [one.at for one in heard if one.at is not None]
        return min(instants) if instants and len(instants) == len(heard) else None

    def _change(self, incident: Incident, caused_by: str | None = None) -> Change:
        return Change(incident, self.plan(), self.clock.now(), HYPERCARE, caused_by)


def _count(event: BreachEvent, verdict: Verdict, now: datetime) -> None:
    """One log line and one count per verdict that came, by what was made of it."""
    log.info("breach_taken", key=event.key.text, service=event.service, rev=event.rev, reason=verdict.value)
    BREACHES_TAKEN.labels(reason=verdict.value).inc()
    BREACH_AGE.observe(max(0.0, (now - event.occurred_at).total_seconds()))
