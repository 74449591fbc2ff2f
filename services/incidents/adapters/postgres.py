"""Incidents in Postgres. One transaction is alone in one scope, by an advisory lock taken first thing.

That lock orders everything that two replicas could do to the same breaches and incidents, so that no other lock is ever
waited for while one is held; the partial unique indexes behind it are the last word.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import asyncpg

from services.incidents.adapters import rows
from services.incidents.domain.change import Change
from services.incidents.domain.incident import Breach, Incident
from services.incidents.domain.scope import Scope, scope_of_incident
from services.incidents.domain.timeline import Entry
from services.incidents.ports import Heard, State, Where
from shared.contracts import BreachKey, Message, PageKind, PageRequested
from shared.kit.errors import Transient
from shared.kit.outbox import Outbox
from shared.kit.postgres import Connection, Queries, transaction
from shared.values import IncidentId, ServiceId

SQL: Final = Queries(Path(__file__).parent.parent / "queries.sql")
SCHEMA: Final = "incidents"
PAGES_FIRST_S: Final = 0.25
"""Those who are only told wait a moment: one incident does both at once, and somebody must be woken up."""


class PostgresWork:
    """One transaction (see ports.Work)."""

    def __init__(self, connection: Connection, outbox: Outbox, scope: Scope) -> None:
        self._db = connection
        self._outbox = outbox
        self._scope = scope
        self._loaded: dict[IncidentId, Incident] = {}
        self.has_kept = False
        self.to_publish: dict[str, float] = {}
        """Keys of the outbox with something new, and how many seconds each may wait."""

    async def breach(self, source: str, service: ServiceId, key: BreachKey) -> Breach | None:
        """See ports.Work."""
        row = await self._db.fetchval(SQL["newest_breach"], source, service, key.rule, key.check, key.location)
        return rows.breach_of(row) if row else None

    async def open_breaches(self, source: str) -> list[Breach]:
        """See ports.Work."""
        found = await self._db.fetch(SQL["open_breaches"], source, self._scope.service, self._scope.location)
        return [rows.breach_of(row["breach"]) for row in found]

    async def heard(self, source: str) -> Heard:
        """See ports.Work."""
        return await _heard(self._db, source)

    async def hear(self, source: str, as_of: int, at: datetime) -> None:
        """See ports.Work."""
        await self._db.execute(SQL["hear"], source, as_of, at)

    async def incident(self, incident: IncidentId) -> Incident | None:
        """See ports.Work."""
        if not await self._db.fetchval(SQL["lock_incident"], incident):
            return None
        return (await self._load([incident]))[0]

    async def open_incident(self, symptom: str) -> Incident | None:
        """See ports.Work."""
        found = await self._open_ids(symptom)
        return (await self._load(found[:1]))[0] if found else None

    async def open_incidents(self) -> list[Incident]:
        """See ports.Work."""
        found = await self._open_ids(None)
        return await self._load(found) if found else []

    async def _open_ids(self, symptom: str | None) -> list[str]:
        scope = self._scope
        found = await self._db.fetch(SQL["lock_open_incidents"], scope.service, scope.location, symptom)
        return [row["id"] for row in found]

    async def _load(self, ids: list[str]) -> list[Incident]:
        incidents = await _whole(self._db, ids)
        self._loaded.update({incident.id: incident for incident in incidents})
        return incidents

    async def names_like(self, base: str) -> set[str]:
        """See ports.Work."""
        await self._db.execute(SQL["alone_with_name"], base)
        return {row["name"] for row in await self._db.fetch(SQL["names_like"], base)}

    async def remember(self, breach: Breach) -> None:
        """See ports.Work."""
        await self._db.execute(SQL["put_breaches"], rows.breach_rows([breach]))

    async def keep(self, change: Change) -> None:
        """See ports.Work."""
        incident = change.incident
        new = rows.difference(self._loaded.get(incident.id), incident)
        parts = (new.pages, new.answers, new.answers_gone, new.due, new.due_gone)
        await self._db.execute(
            SQL["keep_incident"],
            rows.incident_row(incident),
            *[rows.rows_of(incident, part) for part in parts],
            rows.entry_rows(change),
        )
        if new.breaches:
            await self._db.execute(SQL["put_breaches"], rows.breach_rows(new.breaches))
        await self._say(incident.id, change.messages)
        self._loaded[incident.id] = incident
        self.has_kept = True

    async def _say(self, incident: IncidentId, messages: Sequence[Message]) -> None:
        """Put into the outbox; what only tells goes in an order of its own, behind nobody's page."""
        told_key = f"{incident}/told"
        told = [message for message in messages if _only_tells(message)]
        rest = [message for message in messages if not _only_tells(message)]
        await self._outbox.put(self._db, {incident: rest, told_key: told})
        self.to_publish |= ({incident: 0.0} if rest else {}) | ({told_key: PAGES_FIRST_S} if told else {})


class PostgresStore:
    """See ports.IncidentStore. `wake_due` is called after every commit that may have made due work."""

    def __init__(self, db: asyncpg.Pool, outbox: Outbox, wake_due: Callable[[], None]) -> None:
        self._db = db
        self._outbox = outbox
        self._wake_due = wake_due

    @contextlib.asynccontextmanager
    async def alone_in(self, scope: Scope) -> AsyncIterator[PostgresWork]:
        """See ports.IncidentStore."""
        try:
            async with transaction(self._db) as connection:
                await connection.execute(SQL["alone_in"], scope.text)
                work = PostgresWork(connection, self._outbox, scope)
                yield work
        except asyncpg.UniqueViolationError as error:
            raise Transient(f"somebody else was first: {error}") from error
        for key, after_s in work.to_publish.items():
            self._outbox.wake(key, after_s=after_s)
        if work.has_kept:
            self._wake_due()

    async def locate(self, which: str) -> Where | None:
        """See ports.IncidentStore."""
        async with transaction(self._db) as connection:
            row = await connection.fetchrow(SQL["locate"], which)
        return _where(row) if row else None

    async def due(self, now: datetime, limit: int) -> list[Where]:
        """See ports.IncidentStore."""
        async with transaction(self._db) as connection:
            found = await connection.fetch(SQL["due_incidents"], now, limit)
        return [_where(row) for row in found]

    async def next_due_at(self) -> datetime | None:
        """See ports.IncidentStore."""
        async with transaction(self._db) as connection:
            at: datetime | None = await connection.fetchval(SQL["next_due_at"])
        return at

    async def hear(self, source: str, as_of: int, at: datetime) -> None:
        """See ports.IncidentStore."""
        async with transaction(self._db) as connection:
            await connection.execute(SQL["hear"], source, as_of, at)

    async def heard(self, source: str) -> Heard:
        """See ports.IncidentStore."""
        async with transaction(self._db) as connection:
            return await _heard(connection, source)

    async def held_by(self, source: str) -> set[Scope]:
        """See ports.IncidentStore."""
        async with transaction(self._db) as connection:
            found = await connection.fetch(SQL["held_by"], source)
        return {Scope(row["service"], row["location"]) for row in found}

    async def busy(self, services: Collection[ServiceId]) -> set[Scope]:
        """See ports.IncidentStore."""
        async with transaction(self._db) as connection:
            found = await connection.fetch(SQL["busy"], [*services])
        return {scope_of_incident(row["service"], row["location"]) for row in found}

    async def find(self, which: str) -> Incident | None:
        """See ports.IncidentStore."""
        async with transaction(self._db) as connection:
            row = await connection.fetchrow(SQL["locate"], which)
            return (await _whole(connection, [row["id"]]))[0] if row else None

    async def newest(self, state: State, limit: int) -> list[Incident]:
        """See ports.IncidentStore."""
        async with transaction(self._db) as connection:
            found = await connection.fetch(SQL["newest"], state, limit)
            return await _whole(connection, [row["id"] for row in found])

    async def timeline(self, incident: IncidentId) -> list[Entry]:
        """See ports.IncidentStore."""
        async with transaction(self._db) as connection:
            found = await connection.fetch(SQL["timeline"], incident)
        return [Entry(**dict(row)) for row in found]


def _only_tells(message: Message) -> bool:
    return isinstance(message, PageRequested) and message.kind is not PageKind.PAGE


def _where(row: Mapping[str, Any]) -> Where:
    return Where(row["id"], scope_of_incident(row["service"], row["location"]))


async def _whole(connection: Connection, ids: list[str]) -> list[Incident]:
    found = await connection.fetch(SQL["whole_incidents"], ids)
    return [rows.incident_of(row["whole"]) for row in found]


async def _heard(connection: Connection, source: str) -> Heard:
    row = await connection.fetchrow(SQL["heard"], source)
    return Heard(row["as_of"], row["at"]) if row else Heard()
