"""What a receipt proves of a page, and what follows from it."""

from dataclasses import replace
from datetime import datetime

from services.incidents.domain import acting, escalation
from services.incidents.domain.change import Change
from services.incidents.domain.incident import DueKind, Page
from services.incidents.domain.stages import Happening, next_stage
from shared.contracts import IncidentUpdated, PageKind, PageReceipt, PageState


def received(change: Change, receipt: PageReceipt) -> Change:
    """Take a receipt. Ones that prove no more than is known change nothing, in whatever order they come."""
    page = next((one for one in change.incident.pages if one.id == receipt.page), None)
    if page is None:
        return change
    at = min(receipt.occurred_at, change.now)
    better = _better(page, receipt, at)
    if better == page:
        return change
    change = change.with_page(better).unschedule(DueKind.SILENCE, page.id)
    if better.is_undeliverable and not page.is_undeliverable:
        change = _undeliverable(change, better, receipt)
    if better.state is PageState.ACKNOWLEDGED and page.state is not PageState.ACKNOWLEDGED:
        return _acknowledged(change, better, receipt)
    return escalation.heard_of(change, better, is_first_receipt=page.state is None, at=at)


def _better(page: Page, receipt: PageReceipt, at: datetime) -> Page:
    if page.state is None or receipt.state.rank > page.state.rank:
        page = replace(page, state=receipt.state)
    if receipt.state.rank >= PageState.ACCEPTED.rank and (page.handed_over_at is None or at < page.handed_over_at):
        page = replace(page, handed_over_at=at)
    if receipt.undeliverable and page.state is not PageState.ACKNOWLEDGED:
        page = escalation.mark_undeliverable(page)
    return page


def _undeliverable(change: Change, page: Page, receipt: PageReceipt) -> Change:
    why = receipt.reason or "no channel is left"
    change = change.note("undeliverable", f"{page.kind.value} to {page.addressee.text}: {why}")
    return change.say(IncidentUpdated, what="undeliverable", undeliverable=change.incident.undeliverable)


def _acknowledged(change: Change, page: Page, receipt: PageReceipt) -> Change:
    it, who = change.incident, page.addressee.text
    if page.kind is not PageKind.PAGE or next_stage(it.stage, Happening.ACKNOWLEDGED) is None:
        return change
    if page.ack_epoch != it.ack_epoch:
        return change.note("late_acknowledgement", f"by {who}, of what was before the incident was opened again")
    if it.acknowledged_by == who:
        return change
    change = replace(change, actor=who)
    return acting.acknowledge(change, who, receipt.reason or "link", notifier_knows=True)
