"""What incidents needs from outside, in its own words."""

from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from services.incidents.domain.change import Change
from services.incidents.domain.incident import Breach, Incident
from services.incidents.domain.plan import Plan
from services.incidents.domain.scope import Scope
from services.incidents.domain.timeline import Entry
from shared.contracts import BreachKey
from shared.values import IncidentId, ServiceId

State = Literal["open", "closed", "all"]

CurrentPlan = Callable[[], Plan]
"""The configuration taken last. Raises Transient before the first one."""
NewId = Callable[[datetime], str]


@dataclass(frozen=True)
class Where:
    """Which incident, and what it is about: enough to have it alone."""

    incident: IncidentId
    scope: Scope


@dataclass(frozen=True)
class Heard:
    """The last open set of a source; `as_of` 0 when there was none."""

    as_of: int = 0
    at: datetime | None = None


class Work(Protocol):
    """One transaction, alone in one scope: nobody else changes its breaches or incidents meanwhile."""

    async def breach(self, source: str, service: ServiceId, key: BreachKey) -> Breach | None:
        """The newest that is known of a key of a service."""
        ...

    async def open_breaches(self, source: str) -> list[Breach]:
        """What this source holds open in this scope."""
        ...

    async def heard(self, source: str) -> Heard:
        """The source's last open set."""
        ...

    async def hear(self, source: str, as_of: int, at: datetime) -> None:
        """Remember a source's newest open set; an older one changes nothing."""
        ...

    async def incident(self, incident: IncidentId) -> Incident | None:
        """One incident with all that belongs to it, locked."""
        ...

    async def open_incident(self, symptom: str) -> Incident | None:
        """The one incident of this scope and symptom that is not resolved yet, locked."""
        ...

    async def open_incidents(self) -> list[Incident]:
        """All incidents of this scope that are not resolved yet, locked."""
        ...

    async def names_like(self, base: str) -> set[str]:
        """Every name that is the base or begins with it and a hyphen; nobody else takes one of them meanwhile."""
        ...

    async def remember(self, breach: Breach) -> None:
        """Keep a breach that belongs to no incident."""
        ...

    async def keep(self, change: Change) -> None:
        """Keep the incident, its timeline and its due work, and put its messages into the outbox."""
        ...


class IncidentStore(Protocol):
    """Where incidents live. Every method raises Transient when it cannot be reached."""

    def alone_in(self, scope: Scope) -> AbstractAsyncContextManager[Work]:
        """Begin a transaction; what was kept is committed, and its messages on their way, when the block ends."""
        ...

    async def locate(self, which: str) -> Where | None:
        """Find an incident by its id or name."""
        ...

    async def due(self, now: datetime, limit: int) -> list[Where]:
        """Incidents with work that is due, the longest overdue first."""
        ...

    async def next_due_at(self) -> datetime | None:
        """When the next work is due."""
        ...

    async def hear(self, source: str, as_of: int, at: datetime) -> None:
        """Remember a source's newest open set; an older one changes nothing."""
        ...

    async def heard(self, source: str) -> Heard:
        """The source's last open set."""
        ...

    async def held_by(self, source: str) -> set[Scope]:
        """Scopes in which this source holds something open."""
        ...

    async def busy(self, services: Collection[ServiceId]) -> set[Scope]:
        """Scopes with an incident that is not resolved yet and concerns one of these services."""
        ...

    async def find(self, which: str) -> Incident | None:
        """One incident by its id or name, to look at."""
        ...

    async def newest(self, state: State, limit: int) -> list[Incident]:
        """Incidents to look at, the newest first. `open` are all that are not CLOSED."""
        ...

    async def timeline(self, incident: IncidentId) -> list[Entry]:
        """Its whole timeline in order."""
        ...
