"""Looking at incidents."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query

from services.incidents.api import shapes
from services.incidents.api.access import incidents_router
from services.incidents.domain.incident import Incident
from services.incidents.domain.timeline import Entry, is_unbroken
from services.incidents.ports import CurrentPlan, IncidentStore, State
from shared.kit.tokens import Role, Tokens, require


def reading(store: IncidentStore, plan: CurrentPlan, tokens: Tokens) -> APIRouter:
    """The list, one incident, its timeline."""
    router = incidents_router()
    viewer = require(lambda: tokens, Role.VIEWER)

    @router.get("")
    async def list_incidents(
        _: viewer,  # type: ignore[valid-type]  # FastAPI reads the annotation
        state: State = "open",
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[shapes.Summary]:
        """The incidents, newest first; `open` are all that are not closed."""
        return [shapes.summary_of(incident) for incident in await store.newest(state, limit)]

    @router.get("/{which}")
    async def show(_: viewer, which: str) -> shapes.Detail:  # type: ignore[valid-type]  # FastAPI reads it
        """One incident by its id or name."""
        return shapes.detail_of(await _found(store, which), plan())

    @router.get("/{which}/timeline")
    async def timeline(_: viewer, which: str) -> shapes.TimelineShape:  # type: ignore[valid-type]  # FastAPI reads it
        """Its timeline, and whether every seal holds."""
        incident = await _found(store, which)
        return _sealed(incident, await store.timeline(incident.id))

    return router


async def _found(store: IncidentStore, which: str) -> Incident:
    incident = await store.find(which)
    if incident is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"no incident {which!r}")
    return incident


def _sealed(incident: Incident, entries: list[Entry]) -> shapes.TimelineShape:
    known = entries[: incident.timeline_length]  # an entry written since we looked is not a broken seal
    return shapes.TimelineShape(
        incident=incident.id,
        name=incident.name,
        verified=is_unbroken(known, incident.timeline_length, incident.timeline_hash),
        entries=[shapes.entry_of(entry) for entry in entries],
    )
