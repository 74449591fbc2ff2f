"""The API: look at incidents, and take them through their stages."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, FastAPI, HTTPException, Query, Request, Security
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer

from services.incidents.acts import Acts, Unknown
from services.incidents.api import shapes
from services.incidents.domain.acting import Override
from services.incidents.domain.incident import Incident
from services.incidents.domain.timeline import is_unbroken
from services.incidents.ports import CurrentPlan, IncidentStore, State
from shared.kit.http import problem, speak_problems
from shared.kit.tokens import Identity, Role, Tokens, require

SCHEME = HTTPBearer(auto_error=False, description="An API token: `hypercare token create`.")


def build_app(store: IncidentStore, acts: Acts, plan: CurrentPlan, tokens: Tokens) -> FastAPI:
    """The whole application, with its OpenAPI document at /api/v1/openapi.json."""
    app = FastAPI(title="Hypercare incidents", version="1", openapi_url="/api/v1/openapi.json", docs_url="/api/v1/docs")
    speak_problems(app)

    @app.exception_handler(Unknown)
    async def unknown(_: Request, error: Unknown) -> JSONResponse:
        return problem(HTTPStatus.NOT_FOUND, "Not found", error.reason, code=error.code)

    app.include_router(_reading(store, plan, tokens))
    app.include_router(_acting(acts, plan, tokens))
    return app


def _router() -> APIRouter:
    return APIRouter(prefix="/api/v1/incidents", tags=["incidents"], dependencies=[Security(SCHEME)])


def _reading(store: IncidentStore, plan: CurrentPlan, tokens: Tokens) -> APIRouter:
    router = _router()
    viewer = require(lambda: tokens, Role.VIEWER)

    async def found(which: str) -> Incident:
        incident = await store.find(which)
        if incident is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, f"no incident {which!r}")
        return incident

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
        return shapes.detail_of(await found(which), plan())

    @router.get("/{which}/timeline")
    async def timeline(_: viewer, which: str) -> shapes.TimelineShape:  # type: ignore[valid-type]  # FastAPI reads it
        """Its timeline, and whether every seal holds."""
        incident = await found(which)
        entries = await store.timeline(incident.id)
        known = entries[: incident.timeline_length]  # an entry written since we looked is not a broken seal
        return shapes.TimelineShape(
            incident=incident.id,
            name=incident.name,
            verified=is_unbroken(known, incident.timeline_length, incident.timeline_hash),
            entries=[shapes.entry_of(entry) for entry in entries],
        )

    return router


def _acting(acts: Acts, plan: CurrentPlan, tokens: Tokens) -> APIRouter:
    router = _router()
    responder = require(lambda: tokens, Role.RESPONDER)

    @router.post("/{which}/acknowledge")
    async def acknowledge(who: responder, which: str) -> shapes.Detail:  # type: ignore[valid-type]  # FastAPI reads it
        """Take it: pages stop."""
        return shapes.detail_of(await acts.acknowledge(which, _name(who)), plan())

    @router.post("/{which}/advance")
    async def advance(
        who: responder,  # type: ignore[valid-type]  # FastAPI reads the annotation
        which: str,
        body: shapes.AdvanceBody,
    ) -> shapes.Detail:
        """Move it to its next stage. Overriding a gate needs the role manager."""
        override = Override(body.reason) if body.override else None
        if override and not _identity(who).role.includes(Role.MANAGER):
            raise HTTPException(HTTPStatus.FORBIDDEN, "overriding a gate needs the role manager")
        return shapes.detail_of(await acts.advance(which, _name(who), body.reason, override), plan())

    @router.post("/{which}/answers")
    async def answer(
        who: responder,  # type: ignore[valid-type]  # FastAPI reads the annotation
        which: str,
        body: shapes.AnswerBody,
    ) -> shapes.Detail:
        """Answer a question of its checklist; the last answer may move it on."""
        return shapes.detail_of(await acts.answer(which, _name(who), body.item, body.answer), plan())

    @router.post("/{which}/notes")
    async def note(
        who: responder,  # type: ignore[valid-type]  # FastAPI reads the annotation
        which: str,
        body: shapes.NoteBody,
    ) -> shapes.Detail:
        """Write on its timeline."""
        return shapes.detail_of(await acts.note(which, _name(who), body.text), plan())

    @router.post("/{which}/severity")
    async def severity(
        who: responder,  # type: ignore[valid-type]  # FastAPI reads the annotation
        which: str,
        body: shapes.SeverityBody,
    ) -> shapes.Detail:
        """Set its severity. Worse pages again unless it is acknowledged; only a person makes it better."""
        return shapes.detail_of(await acts.judge_severity(which, _name(who), body.severity, body.reason), plan())

    @router.post("/{which}/resolve")
    async def resolve(
        who: responder,  # type: ignore[valid-type]  # FastAPI reads the annotation
        which: str,
        body: shapes.ResolveBody,
    ) -> shapes.Detail:
        """Say that it is mended: the watch begins."""
        return shapes.detail_of(await acts.resolve(which, _name(who), body.summary), plan())

    return router


def _identity(who: object) -> Identity:
    if not isinstance(who, Identity):
        raise TypeError("the token check gives an Identity")
    return who


def _name(who: object) -> str:
    return _identity(who).name
