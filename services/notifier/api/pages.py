"""The ledger for readers: every page with its deliveries and attempts."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from pydantic import AwareDatetime, BaseModel

from services.notifier.domain.ledger import Attempt, Delivery, Step
from services.notifier.domain.page import Stop
from services.notifier.ports import Ledger, PageView
from shared.contracts.pages import PageRequested
from shared.kit.tokens import Role, Tokens, require
from shared.values import PageId


class PageSummary(BaseModel):
    """A page in a list. state: the best any delivery has proven; `dead` when none could carry it."""

    page: str
    incident: str
    incident_name: str
    service: str
    kind: str
    severity: str
    addressee: str
    rung: int
    round: int
    ack_epoch: int
    title: str
    state: str
    requested_at: AwareDatetime


class AttemptOut(BaseModel):
    """One send. outcome: None while it runs."""

    attempt: int
    provider: str
    replica: str
    started_at: AwareDatetime
    ended_at: AwareDatetime | None
    outcome: str | None
    reason: str | None
    provider_id: str | None


class StepOut(BaseModel):
    """A state that a delivery has entered. attempt: sends begun by then."""

    state: str
    at: AwareDatetime
    reason: str | None
    attempt: int


class DeliveryOut(BaseModel):
    """A page on its way over one contact method."""

    delivery: str
    channel: str
    to: str
    state: str
    started_at: AwareDatetime
    changed_at: AwareDatetime
    due_at: AwareDatetime | None
    provider: str | None
    provider_id: str | None
    reason: str | None
    attempts: list[AttemptOut]
    steps: list[StepOut]
    """Every state it has entered, in order."""


class StopOut(BaseModel):
    """Why the page rings no more.

    person: who took the incident by a link; None for a cancel, whose reason says more. page, delivery: whose link.
    """

    person: str | None
    page: str | None
    delivery: str | None
    reason: str
    at: AwareDatetime


class PageOut(PageSummary):
    """A page with its whole story."""

    undeliverable_at: AwareDatetime | None
    look_at: AwareDatetime | None
    stop: StopOut | None
    deliveries: list[DeliveryOut]


def page_routes(ledger: Ledger, tokens: Tokens) -> APIRouter:
    """Return `GET /api/v1/pages` and `GET /api/v1/pages/{page}`, for viewers and above."""
    viewer = require(lambda: tokens, Role.VIEWER)
    router = APIRouter(prefix="/api/v1")

    async def list_pages(
        _: viewer,  # type: ignore[valid-type]  # an annotation made at run time
        incident: Annotated[str | None, Query(max_length=200)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[PageSummary]:
        """The newest pages, of one incident (id or name) or of all."""
        return [_summary(one.request, one.state) for one in await ledger.pages(incident, limit)]

    async def show_page(page: str, _: viewer) -> PageOut:  # type: ignore[valid-type]  # as above
        """One page with its deliveries and every attempt."""
        view = await ledger.view(PageId(page))
        if view is None:
            raise HTTPException(404, f"there is no page {page}")
        return _page(view)

    router.add_api_route("/pages", list_pages, methods=["GET"])
    router.add_api_route("/pages/{page}", show_page, methods=["GET"])
    return router


def _summary(request: PageRequested, state: str) -> PageSummary:
    return PageSummary(
        page=request.page,
        incident=request.incident,
        incident_name=request.incident_name,
        service=request.service,
        kind=request.kind.value,
        severity=request.severity.value,
        addressee=request.addressee.text,
        rung=request.rung,
        round=request.round,
        ack_epoch=request.ack_epoch,
        title=request.title,
        state=state,
        requested_at=request.occurred_at,
    )


def _page(view: PageView) -> PageOut:
    book = view.book
    return PageOut(
        **_summary(book.request, book.state.value).model_dump(),
        undeliverable_at=book.undeliverable_at,
        look_at=book.look_at,
        stop=_stop(view.stops[0]) if view.stops else None,
        deliveries=[_delivery(one, view) for one in book.deliveries.values()],
    )


def _stop(stop: Stop) -> StopOut:
    return StopOut(person=stop.person, page=stop.page, delivery=stop.delivery, reason=stop.reason, at=stop.at)


def _delivery(one: Delivery, view: PageView) -> DeliveryOut:
    return DeliveryOut(
        delivery=one.id,
        channel=one.channel,
        to=one.address,
        state=one.state.value,
        started_at=one.started_at,
        changed_at=one.changed_at,
        due_at=one.due_at,
        provider=one.provider,
        provider_id=one.provider_id,
        reason=one.reason,
        attempts=[_attempt(attempt) for attempt in view.attempts.get(one.id, [])],
        steps=[_step(step) for step in view.steps.get(one.id, [])],
    )


def _step(one: Step) -> StepOut:
    return StepOut(state=one.state.value, at=one.at, reason=one.reason, attempt=one.attempt)


def _attempt(one: Attempt) -> AttemptOut:
    return AttemptOut(
        attempt=one.number,
        provider=one.provider,
        replica=one.claimed_by,
        started_at=one.began_at,
        ended_at=one.ended_at,
        outcome=one.outcome,
        reason=one.reason,
        provider_id=one.provider_id,
    )
