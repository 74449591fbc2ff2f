"""Taking an incident through its stages."""

from http import HTTPStatus

from fastapi import APIRouter, HTTPException

from services.incidents.acts import Acts
from services.incidents.api import shapes
from services.incidents.api.access import identity_of, incidents_router, name_of
from services.incidents.domain.acting import Override
from services.incidents.ports import CurrentPlan
from shared.kit.tokens import Role, Tokens, require


def moving(acts: Acts, plan: CurrentPlan, tokens: Tokens) -> APIRouter:
    """Acknowledge, advance, resolve. Each answers with the incident as it stands then."""
    router = incidents_router()
    responder = require(lambda: tokens, Role.RESPONDER)

    @router.post("/{which}/acknowledge")
    async def acknowledge(who: responder, which: str) -> shapes.Detail:  # type: ignore[valid-type]  # FastAPI reads it
        """Take it: pages stop."""
        return shapes.detail_of(await acts.acknowledge(which, name_of(who)), plan())

    @router.post("/{which}/advance")
    async def advance(
        who: responder,  # type: ignore[valid-type]  # FastAPI reads the annotation
        which: str,
        body: shapes.AdvanceBody,
    ) -> shapes.Detail:
        """Move it to its next stage. Overriding a gate needs the role manager."""
        override = _override(who, body)
        return shapes.detail_of(await acts.advance(which, name_of(who), body.reason, override), plan())

    @router.post("/{which}/resolve")
    async def resolve(
        who: responder,  # type: ignore[valid-type]  # FastAPI reads the annotation
        which: str,
        body: shapes.ResolveBody,
    ) -> shapes.Detail:
        """Say that it is mended: the watch begins."""
        return shapes.detail_of(await acts.resolve(which, name_of(who), body.summary), plan())

    return router


def _override(who: object, body: shapes.AdvanceBody) -> Override | None:
    if not body.override:
        return None
    if not identity_of(who).role.includes(Role.MANAGER):
        raise HTTPException(HTTPStatus.FORBIDDEN, "overriding a gate needs the role manager")
    return Override(body.reason)
