"""Incidents in memory: the same ports with the same promises, for tests and for reading without a database."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime

from services.incidents.domain.change import Change
from services.incidents.domain.incident import Breach, Incident
from services.incidents.domain.scope import Scope, scope_of
from services.incidents.domain.stages import OPEN_STAGES
from services.incidents.domain.timeline import Entry
from services.incidents.ports import Heard, State, Where
from shared.contracts import BreachKey, Message, Stage
from shared.values import IncidentId, ServiceId

Place = tuple[str, ServiceId, BreachKey, IncidentId | None]


@dataclass
class _Contents:
    """Everything there is; copied when a transaction begins, so that a failed one leaves no trace."""

    incidents: dict[IncidentId, Incident] = field(default_factory=dict)
    breaches: dict[Place, Breach] = field(default_factory=dict)
    entries: dict[IncidentId, tuple[Entry, ...]] = field(default_factory=dict)
    heard: dict[str, Heard] = field(default_factory=dict)
    outbox: tuple[Message, ...] = ()

    def copy(self) -> "_Contents":
        """Values are immutable: copying the tables is enough."""
        return _Contents(copy(self.incidents), copy(self.breaches), copy(self.entries), copy(self.heard), self.outbox)

    def hear(self, source: str, as_of: int, at: datetime) -> None:
        """Keep the newest."""
        if as_of >= self.heard.get(source, Heard()).as_of:
            self.heard[source] = Heard(as_of, at)


class MemoryWork:
    """One transaction over a copy of everything."""

    def __init__(self, contents: _Contents, scope: Scope) -> None:
        self._all = contents
        self._scope = scope

    async def breach(self, source: str, service: ServiceId, key: BreachKey) -> Breach | None:
        """See ports.Work."""
        found = [breach for place, breach in self._all.breaches.items() if place[:3] == (source, service, key)]
        return max(found, key=lambda breach: breach.rev, default=None)

    async def open_breaches(self, source: str) -> list[Breach]:
        """See ports.Work."""
        return [
            breach
            for breach in self._all.breaches.values()
            if breach.is_open and breach.source == source and scope_of(breach.service, breach.key) == self._scope
        ]

    async def heard(self, source: str) -> Heard:
        """See ports.Work."""
        return self._all.heard.get(source, Heard())

    async def hear(self, source: str, as_of: int, at: datetime) -> None:
        """See ports.Work."""
        self._all.hear(source, as_of, at)

    async def incident(self, incident: IncidentId) -> Incident | None:
        """See ports.Work."""
        return self._all.incidents.get(incident)

    async def open_incident(self, symptom: str) -> Incident | None:
        """See ports.Work."""
        return next((one for one in await self.open_incidents() if one.symptom == symptom), None)

    async def open_incidents(self) -> list[Incident]:
        """See ports.Work."""
        return [one for one in self._all.incidents.values() if one.scope == self._scope and one.stage in OPEN_STAGES]

    async def names_like(self, base: str) -> set[str]:
        """See ports.Work."""
        names = {one.name for one in self._all.incidents.values()}
        return {name for name in names if name == base or name.startswith(f"{base}-")}

    async def remember(self, breach: Breach) -> None:
        """See ports.Work."""
        self._put(breach)

    async def keep(self, change: Change) -> None:
        """See ports.Work."""
        incident = change.incident
        self._all.incidents[incident.id] = incident
        for breach in incident.breaches:
            self._put(breach)
        before = self._all.entries.get(incident.id, ())
        self._all.entries[incident.id] = before + change.entries
        self._all.outbox += change.messages

    def _put(self, breach: Breach) -> None:
        self._all.breaches[breach.source, breach.service, breach.key, breach.incident] = breach


class MemoryStore:
    """One transaction at a time."""

    def __init__(self) -> None:
        self._all = _Contents()
        self._alone = asyncio.Lock()

    @property
    def outbox(self) -> tuple[Message, ...]:
        """Every message that was ever put there, in order."""
        return self._all.outbox

    @contextlib.asynccontextmanager
    async def alone_in(self, scope: Scope) -> AsyncIterator[MemoryWork]:
        """See ports.IncidentStore."""
        async with self._alone:
            contents = self._all.copy()
            yield MemoryWork(contents, scope)
            self._all = contents

    async def locate(self, which: str) -> Where | None:
        """See ports.IncidentStore."""
        found = await self.find(which)
        return Where(found.id, found.scope) if found else None

    async def due(self, now: datetime, limit: int) -> list[Where]:
        """See ports.IncidentStore."""
        found = [(due.at, one) for one in self._all.incidents.values() for due in one.due if due.at <= now]
        ordered = dict.fromkeys(
            Where(one.id, one.scope) for _, one in sorted(found, key=lambda pair: (pair[0], pair[1].id))
        )
        return list(ordered)[:limit]

    async def next_due_at(self) -> datetime | None:
        """See ports.IncidentStore."""
        return min((due.at for one in self._all.incidents.values() for due in one.due), default=None)

    async def hear(self, source: str, as_of: int, at: datetime) -> None:
        """See ports.IncidentStore."""
        async with self._alone:
            self._all.hear(source, as_of, at)

    async def heard(self, source: str) -> Heard:
        """See ports.IncidentStore."""
        return self._all.heard.get(source, Heard())

    async def held_by(self, source: str) -> set[Scope]:
        """See ports.IncidentStore."""
        held = [breach for breach in self._all.breaches.values() if breach.is_open and breach.source == source]
        return {scope_of(breach.service, breach.key) for breach in held}

    async def busy(self, services: Collection[ServiceId]) -> set[Scope]:
        """See ports.IncidentStore."""
        running = [one for one in self._all.incidents.values() if one.stage in OPEN_STAGES]
        return {one.scope for one in running if not set(services).isdisjoint(one.services)}

    async def find(self, which: str) -> Incident | None:
        """See ports.IncidentStore."""
        return next((one for one in self._all.incidents.values() if which in {one.id, one.name}), None)

    async def newest(self, state: State, limit: int) -> list[Incident]:
        """See ports.IncidentStore."""
        found = [
            one
            for one in self._all.incidents.values()
            if state == "all" or (one.stage is Stage.CLOSED) == (state == "closed")
        ]
        return sorted(found, key=lambda one: (one.opened_at, one.id), reverse=True)[:limit]

    async def timeline(self, incident: IncidentId) -> list[Entry]:
        """See ports.IncidentStore."""
        return [*self._all.entries.get(incident, ())]
