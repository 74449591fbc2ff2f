"""What people say about an incident."""

from fastapi import APIRouter

from services.incidents.acts import Acts
from services.incidents.api import shapes
from services.incidents.api.access import incidents_router, name_of
from services.incidents.ports import CurrentPlan
from shared.kit.tokens import Role, Tokens, require


def writing(acts: Acts, plan: CurrentPlan, tokens: Tokens) -> APIRouter:
    """Answers, notes, the severity. Each answers with the incident as it stands then."""
    router = incidents_router()
    responder = require(lambda: tokens, Role.RESPONDER)

    @router.post("/{which}/answers")
    async def answer(
        who: responder,  # type: ignore[valid-type]  # FastAPI reads the annotation
        which: str,
        body: shapes.AnswerBody,
    ) -> shapes.Detail:
        """Answer a question of its checklist; the last answer may move it on."""
        return shapes.detail_of(await acts.answer(which, name_of(who), body.item, body.answer), plan())

    @router.post("/{which}/notes")
    async def note(
        who: responder,  # type: ignore[valid-type]  # FastAPI reads the annotation
        which: str,
        body: shapes.NoteBody,
    ) -> shapes.Detail:
        """Write on its timeline."""
        return shapes.detail_of(await acts.note(which, name_of(who), body.text), plan())

    @router.post("/{which}/severity")
    async def severity(
        who: responder,  # type: ignore[valid-type]  # FastAPI reads the annotation
        which: str,
        body: shapes.SeverityBody,
    ) -> shapes.Detail:
        """Set its severity. Worse pages again unless it is acknowledged; only a person makes it better."""
        return shapes.detail_of(await acts.judge_severity(which, name_of(who), body.severity, body.reason), plan())

    return router
