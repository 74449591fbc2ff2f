"""What people ask for: each loads the incident, asks the domain, keeps the answer, and returns the incident."""

from collections.abc import Callable
from dataclasses import dataclass

from services.incidents.domain import acting
from services.incidents.domain.acting import Override
from services.incidents.domain.change import Change
from services.incidents.domain.incident import Incident
from services.incidents.ports import CurrentPlan, IncidentStore
from shared.kit.clock import Clock
from shared.kit.errors import Refused
from shared.values import Severity

Decide = Callable[[Change], Change]


class Unknown(Refused):
    """There is no such incident."""


@dataclass(frozen=True)
class Acts:
    """Every act takes the incident's id or name and the actor's name. Raises Unknown, or Refused with the reason."""

    store: IncidentStore
    plan: CurrentPlan
    clock: Clock

    async def acknowledge(self, which: str, actor: str) -> Incident:
        """Take it: nobody else is rung."""
        return await self._act(which, actor, lambda it: acting.acknowledge(it, actor, "api", notifier_knows=False))

    async def advance(self, which: str, actor: str, reason: str, override: Override | None) -> Incident:
        """Move it to its next stage."""
        return await self._act(which, actor, lambda it: acting.advance(it, reason, override))

    async def resolve(self, which: str, actor: str, summary: str) -> Incident:
        """Say that it is mended."""
        return await self._act(which, actor, lambda it: acting.resolve(it, summary))

    async def answer(self, which: str, actor: str, item: str, text: str) -> Incident:
        """Answer a question of its checklist."""
        return await self._act(which, actor, lambda it: acting.answer(it, item, text))

    async def note(self, which: str, actor: str, text: str) -> Incident:
        """Write on its timeline."""
        return await self._act(which, actor, lambda it: acting.write_note(it, text))

    async def judge_severity(self, which: str, actor: str, severity: Severity, reason: str) -> Incident:
        """Set its severity."""
        return await self._act(which, actor, lambda it: acting.judge_severity(it, severity, reason))

    async def _act(self, which: str, actor: str, decide: Decide) -> Incident:
        where = await self.store.locate(which)
        if where is None:
            raise Unknown(f"no incident {which!r}", code="unknown_incident")
        async with self.store.alone_in(where.scope) as work:
            incident = await work.incident(where.incident)
            if incident is None:
                raise Unknown(f"no incident {which!r}", code="unknown_incident")
            change = decide(Change(incident, self.plan(), self.clock.now(), actor))
            await work.keep(change)
        return change.incident
