"""What the notifier does about each thing that happens: load, ask the domain, save state and receipts together.

The way of a page, from the top: `request_page` keeps it and its first delivery; a courier (`couriers.py`) claims the
delivery, sends it and calls `settle_attempt`; a provider's later word comes in by `take_report`; the person's by
`acknowledge`; `look_at_page` moves on from what stays silent. Every one of them ends in `replan`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from services.notifier.domain.ledger import OPEN, Attempt, Delivery, Happened, move
from services.notifier.domain.link import is_ours, read_token, write_token
from services.notifier.domain.outcomes import SendResult
from services.notifier.domain.page import Book, Stop
from services.notifier.domain.plan import Method, decide
from services.notifier.domain.settling import report, settle
from services.notifier.domain.wording import Outgoing
from services.notifier.ports import Directory, Ledger, PageView
from shared.contracts.pages import PageCancelled, PageKind, PageRequested, PageState, delivery_id
from shared.kit.clock import Clock
from shared.kit.logging import get_logger
from shared.values import DeliveryId, PageId

log = get_logger()


@dataclass(frozen=True)
class Desk:
    """What every handler works with. wake: a delivery of this channel is due now."""

    ledger: Ledger
    directory: Directory
    clock: Clock
    link_key: bytes
    wake: Callable[[str], None]


async def request_page(desk: Desk, request: PageRequested) -> None:
    """Keep a page and start its first contact method; one that is known only gets its receipts again. Raises Transient.

    It is asked for again (`issue`) by who has no receipt. Without one the next step of the policy would never be rung.
    """
    now, due = desk.clock.now(), _Due(desk)

    def plan(book: Book) -> None:
        replan(desk.directory, book, now)
        due.note(book)

    is_new = await desk.ledger.add(request, now, plan)
    if not is_new and request.issue > 0:
        await desk.ledger.change(request.page, lambda book: book.say_again(request.issue, now))
    log.info("page_requested", page=request.page, incident=request.incident, is_new=is_new, issue=request.issue)
    due.wake()


async def cancel_pages(desk: Desk, cancelled: PageCancelled) -> None:
    """Send nothing more for this epoch and older ones, also of pages that are still to come. Raises Transient."""
    stop = Stop(cancelled.incident, cancelled.ack_epoch, cancelled.reason, desk.clock.now())
    await desk.ledger.cancel(stop)
    log.info("pages_cancelled", incident=cancelled.incident, ack_epoch=cancelled.ack_epoch, reason=cancelled.reason)
    _wake_all(desk)


async def settle_attempt(desk: Desk, attempt: Attempt, page: PageId, result: SendResult, *, has_standby: bool) -> None:
    """Write down how an attempt ended, and go on from there. Raises Transient."""
    now, due = desk.clock.now(), _Due(desk)

    def work(book: Book) -> None:
        after = settle(book.deliveries[attempt.delivery], attempt.number, result, now, has_standby=has_standby)
        book.put(_stopped(book, after, now), now)
        book.attempts.append(
            replace(
                attempt,
                ended_at=now,
                outcome=type(result).__name__,
                reason=getattr(result, "reason", None),
                provider_id=getattr(result, "provider_id", None),
            )
        )
        replan(desk.directory, book, now)
        due.note(book)

    await desk.ledger.change(page, work)
    due.wake()


async def take_report(desk: Desk, channel: str, delivery: DeliveryId, provider_id: str, result: SendResult) -> None:
    """Take what a provider of a channel says later about a message of that channel. Raises Transient."""
    now, due = desk.clock.now(), _Due(desk)

    def work(book: Book) -> None:
        one = book.deliveries[delivery]
        if one.channel != channel:
            return
        after = report(one, provider_id, result, now)
        book.put(_stopped(book, after, now), now)
        replan(desk.directory, book, now)
        due.note(book)

    page = await desk.ledger.page_of(delivery)
    if page is not None:
        await desk.ledger.change(page, work)
    due.wake()


async def look_at_pages(desk: Desk, now: datetime) -> int:
    """Move on from methods that stayed silent; returns how many pages were looked at. Raises Transient."""
    due = _Due(desk)

    def work(book: Book) -> None:
        replan(desk.directory, book, now)
        due.note(book)

    looked = await desk.ledger.look(now, 100, work)
    due.wake()
    return looked


def replan(directory: Directory, book: Book, now: datetime) -> None:
    """Start the next contact method, or say that none is left, or note when to look again."""
    methods = directory.methods(book.request.addressee)
    decision = decide(methods, tuple(book.deliveries.values()), now, is_stopped=book.stop is not None)
    book.look_at = decision.look_at
    if decision.start is not None:
        book.put(_begin(book, decision.start, now), now)
    if decision.is_undeliverable:
        said = [f"{one.channel}: {one.reason or one.state.value}" for one in book.deliveries.values()]
        book.call_undeliverable("; ".join(said) or directory.why_no_methods(book.request.addressee), now)


def _begin(book: Book, method: Method, now: datetime) -> Delivery:
    return Delivery(
        id=delivery_id(book.page, method.key),
        page=book.page,
        position=len(book.deliveries),
        channel=method.channel,
        address=method.address,
        reports=method.reports,
        state=PageState.QUEUED,
        started_at=now,
        changed_at=now,
        due_at=now,
    )


def _stopped(book: Book, delivery: Delivery, now: datetime) -> Delivery:
    """Do not leave an attempt waiting that will not be made."""
    if book.stop is None or delivery.state not in OPEN:
        return delivery
    return move(delivery, Happened.STOPPED, now, book.stop.reason)


class _Due:
    """Remembers which channels a change made work for, to wake them after the commit."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._channels: set[str] = set()

    def note(self, book: Book) -> None:
        self._channels |= {one.channel for one in book.deliveries.values() if one.state in OPEN}

    def wake(self) -> None:
        for channel in self._channels:
            self._desk.wake(channel)


def _wake_all(desk: Desk) -> None:
    for channel in ("email", "sms", "chat", "webhook"):
        desk.wake(channel)


# --- the acknowledge link ---


@dataclass(frozen=True)
class LinkRefused:
    """Why a link does nothing.

    `unknown`: not ours, or of a page we do not have. `superseded`: the incident was reopened since, and pages again.
    """

    why: Literal["unknown", "expired", "superseded"]


@dataclass(frozen=True)
class Link:
    """A good link: the page it stands for, and who has taken it or why it has stopped, if anything has."""

    view: PageView
    delivery: DeliveryId
    stop: Stop | None

    @property
    def presser(self) -> str:
        """Who would be taking it."""
        return self.view.book.request.addressee.text


async def read_link(desk: Desk, token: str) -> Link | LinkRefused:
    """Find the page behind a token, changing nothing. Raises Transient."""
    claimed = read_token(token)
    page = await desk.ledger.page_of(claimed.delivery) if claimed else None
    view = await desk.ledger.view(page) if page else None
    if claimed is None or view is None:
        return LinkRefused("unknown")
    request = view.book.request
    if not is_ours(desk.link_key, claimed, request.page, request.addressee.text):
        return LinkRefused("unknown")
    if claimed.expires_at <= desk.clock.now():
        return LinkRefused("expired")
    if await desk.ledger.newest_epoch(request.incident) > request.ack_epoch:
        return LinkRefused("superseded")  # to say "you have it" of the round before would let the new one ring unheard
    stop = await desk.ledger.stop_of(request.incident, request.ack_epoch)
    return Link(view, claimed.delivery, stop)


async def acknowledge(desk: Desk, token: str) -> Link | LinkRefused:
    """Take the page behind a token, unless somebody has; pressing twice is pressing once. Raises Transient."""
    link = await read_link(desk, token)
    if isinstance(link, LinkRefused):
        return link
    request, now = link.view.book.request, desk.clock.now()
    mine = Stop(request.incident, request.ack_epoch, "link", now, link.presser, request.page, link.delivery)

    def work(book: Book, counts: Stop) -> None:
        event = Happened.ACKNOWLEDGED if counts.person == mine.person else Happened.SEEN
        reason = "link" if counts.person == mine.person else f"{counts.person} had it already"
        book.put(move(book.deliveries[link.delivery], event, now, reason), now)
        book.look_at = None

    counts = await desk.ledger.acknowledge(mine, work)
    log.info("page_acknowledged", page=request.page, incident=request.incident, person=counts.person)
    _wake_all(desk)
    return replace(link, stop=counts)


# --- what is sent ---


def outgoing(desk: Desk, book: Book, delivery: Delivery, *, may_have_been_sent: bool) -> Outgoing:
    """Return a delivery as a channel gets it."""
    request = book.request
    who = request.addressee
    token = write_token(desk.link_key, delivery.id, request.page, who.text, request.occurred_at)
    return Outgoing(
        delivery=delivery.id,
        page=request.page,
        incident=request.incident,
        incident_name=request.incident_name,
        service=request.service,
        kind=request.kind.value,
        severity=request.severity.value,
        person=who.text,
        person_name=desk.directory.name_of(who),
        address=delivery.address,
        rung=request.rung,
        round=request.round,
        title=request.title,
        lines=tuple(request.lines),
        runbook=request.runbook,
        ack_url=f"{desk.directory.public_url}/a/{token}" if request.kind is PageKind.PAGE else None,
        requested_at=request.occurred_at,
        first_tried_at=delivery.started_at,
        may_have_been_sent=may_have_been_sent,
    )
