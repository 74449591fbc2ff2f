"""Incidents, breaches and pages as the templates show them. Pure: `now` comes in."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

from services.console.model import Delivery, Incident, Page
from services.console.web.words import (
    CHANNEL_WORDS,
    CLOCK_WORDS,
    KIND_WORDS,
    PAGE_WORDS,
    STAGE_WORDS,
    clock_time,
    millis,
    span,
)
from shared.config.slice_models import ConsoleRule
from shared.contracts import OpenBreach, PageState, Stage
from shared.values import PersonId

_STEPS: Final = (
    ("queued", PageState.QUEUED),
    ("sending", PageState.SENDING),
    ("accepted", PageState.ACCEPTED),
    ("delivered", PageState.DELIVERED),
    ("seen", PageState.SEEN),
    ("acknowledged", PageState.ACKNOWLEDGED),
)
_FAILED: Final = frozenset({PageState.FAILED_PERMANENT, PageState.DEAD})
PAGES_SHOWN: Final = 5
PAGES_LISTED: Final = 60


@dataclass(frozen=True)
class ClockView:
    """A running clock: the script counts on from the same instants."""

    kind: str
    """What the time is: `left` of the stage's clock, or past it (`over`); the rest of the `watch`, or past its earliest
    end (`waits`); else `for` how long the stage has lasted."""
    text: str
    due_ms: int | None
    since_ms: int

    @property
    def word(self) -> str:
        """What stands behind the time."""
        return CLOCK_WORDS[self.kind]


@dataclass(frozen=True)
class DeliveryView:
    """One channel's part of a page's way."""

    channel: str
    word: str
    tone: str
    at: str
    reason: str


@dataclass(frozen=True)
class PageView:
    """One page's way: which steps are proven, and by which channel."""

    who: str
    kind: str
    tone: str
    """`bad`, `ok`, `busy` or `off`."""
    word: str
    steps: tuple[tuple[str, bool], ...]
    deliveries: tuple[DeliveryView, ...]
    is_lost: bool


@dataclass(frozen=True)
class StageView:
    """One of the six stages on the way of an incident."""

    word: str
    where: str
    """`past`, `now` or `next`; `skipped` when it lies behind and was never entered."""


@dataclass(frozen=True)
class IncidentView:
    """One incident."""

    incident: str
    name: str
    service: str
    severity: str
    summary: str
    stage: str
    stage_word: str
    stages: tuple[StageView, ...]
    clock: ClockView
    opened_at: str
    opened_ms: int
    acknowledged_by: str | None
    undeliverable: int
    pages: tuple[PageView, ...]
    earlier_pages: tuple[PageView, ...]
    """All but the last five, oldest first."""
    runbook: str | None
    can_acknowledge: bool
    can_resolve: bool
    next_stage: str | None
    is_over: bool


@dataclass(frozen=True)
class BreachView:
    """One open breach."""

    rule: str
    check: str
    location: str
    service: str
    severity: str
    cause: str
    summary: str
    watches: str
    """What the rule watches, as configured."""
    began_ms: int
    lasts: str
    incident: str | None
    incident_name: str | None


_CAUSES: Final = {"threshold": "", "no_data": "no data", "prober_down": "prober down", "clock": "prober's clock"}


def breach_view(one: OpenBreach, rule: ConsoleRule | None, incident: Incident | None, now: datetime) -> BreachView:
    """One breach, with the incident it belongs to."""
    return BreachView(
        rule=one.key.rule,
        check=one.key.check,
        location=one.key.location,
        service=one.service,
        severity=one.severity.value,
        cause=_CAUSES[one.cause.value],
        summary=one.summary,
        watches=rule.summary if rule else "",
        began_ms=millis(one.began_at),
        lasts=span(now - one.began_at),
        incident=incident.incident if incident else None,
        incident_name=incident.name if incident else None,
    )


def incident_view(
    one: Incident,
    pages: Sequence[Page],
    been_in: AbstractSet[Stage],
    people: Mapping[PersonId, str],
    undeliverable: int,
    runbook: str | None,
    zone: tzinfo,
    now: datetime,
) -> IncidentView:
    """One incident with its clock and its pages; names of people where the configuration has them."""
    order = list(Stage)
    shown = [page_view(page, people, zone, now) for page in pages[-PAGES_LISTED:]]
    is_closed = one.stage is Stage.CLOSED
    return IncidentView(
        incident=one.incident,
        name=one.name,
        service=one.about,
        severity=one.severity.value,
        summary=one.summary,
        stage=one.stage.value,
        stage_word=STAGE_WORDS[one.stage],
        stages=tuple(StageView(STAGE_WORDS[stage], _where(stage, one.stage, been_in)) for stage in order),
        clock=_clock(one, now),
        opened_at=clock_time(one.opened_at, zone, now),
        opened_ms=millis(one.opened_at),
        acknowledged_by=_named(one.acknowledged_by, people),
        undeliverable=undeliverable,
        pages=tuple(shown[-PAGES_SHOWN:]),
        earlier_pages=tuple(shown[:-PAGES_SHOWN]),
        runbook=runbook,
        can_acknowledge=one.acknowledged_by is None and not is_closed,
        can_resolve=one.stage in {Stage.ASSESSMENT, Stage.RESPONSE, Stage.RESOLUTION},
        next_stage=None if is_closed else STAGE_WORDS[order[order.index(one.stage) + 1]],
        is_over=one.stage in {Stage.POST_MORTEM, Stage.CLOSED},
    )


def _named(who: str | None, people: Mapping[PersonId, str]) -> str | None:
    return None if who is None else people.get(PersonId(who), who)


def _where(stage: Stage, now: Stage, been_in: AbstractSet[Stage]) -> str:
    order = list(Stage)
    if order.index(stage) >= order.index(now):
        return "now" if stage is now else "next"
    return "past" if stage in been_in else "skipped"


def _clock(one: Incident, now: datetime) -> ClockView:
    since = millis(one.stage_entered_at)
    ends, before, after = one.stage_due_at, "left", "over"
    if one.watch_s is not None:
        ends, before, after = one.stage_entered_at + timedelta(seconds=one.watch_s), "watch", "waits"
    if ends is None or one.stage is Stage.CLOSED:
        return ClockView("for", span(now - one.stage_entered_at), None, since)
    return ClockView(before if now <= ends else after, span(ends - now), millis(ends), since)


def page_view(page: Page, people: Mapping[PersonId, str], zone: tzinfo, now: datetime) -> PageView:
    """One page's way from queued to acknowledged."""
    state = page.state
    who = _named(page.addressee.person, people) or page.addressee.text
    return PageView(
        who=who,
        kind=KIND_WORDS[page.kind],
        tone="bad" if page.is_lost else _tone(state),
        word="could not be delivered" if page.is_lost else PAGE_WORDS[state],
        steps=tuple((word, _is_proven(state, step)) for word, step in _STEPS),
        deliveries=tuple(_delivery(one, zone, now) for one in sorted(page.deliveries.values(), key=lambda one: one.at)),
        is_lost=page.is_lost,
    )


def _is_proven(state: PageState, step: PageState) -> bool:
    """A failure has been queued and sent; an unknown may have been."""
    if state.rank >= PageState.ACCEPTED.rank:
        return state.rank >= step.rank
    if state is PageState.CANCELLED:
        return step is PageState.QUEUED
    return step.rank <= min(state.rank, PageState.SENDING.rank)


def _tone(state: PageState) -> str:
    if state in _FAILED:
        return "bad"
    if state is PageState.CANCELLED:
        return "off"
    return "ok" if state.rank >= PageState.ACCEPTED.rank else "busy"


def _delivery(one: Delivery, zone: tzinfo, now: datetime) -> DeliveryView:
    again = f" (attempt {one.attempt})" if one.attempt > 1 else ""
    return DeliveryView(
        channel=CHANNEL_WORDS.get(one.channel, one.channel),
        word=f"{PAGE_WORDS[one.state]}{again}",
        tone=_tone(one.state),
        at=clock_time(one.at, zone, now),
        reason=one.reason or "",
    )
