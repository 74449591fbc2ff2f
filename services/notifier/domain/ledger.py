"""The states of a delivery and what moves it from one to the next: one table, nothing beside it (ADR 0003)."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from shared.contracts.pages import PageState
from shared.values import DeliveryId, PageId


class Happened(StrEnum):
    """What can happen to a delivery."""

    CLAIMED = "claimed"
    """A worker has taken the row: the send begins."""
    ACCEPTED = "accepted"
    """The provider has taken it."""
    DELIVERED = "delivered"
    """The provider reports it on the device."""
    SEEN = "seen"
    """Somebody has looked at it. No channel of this version can say so."""
    ACKNOWLEDGED = "acknowledged"
    """Its own link was used."""
    FAILED_FOR_NOW = "failed_for_now"
    """Not taken, or reported as not arrived; the same may work later."""
    FAILED_FOR_GOOD = "failed_for_good"
    """Not taken, or reported as not arrived, and never will be."""
    LOST = "lost"
    """The answer never came: deadline passed, connection lost after the body, or the claim lapsed with its worker."""
    GAVE_UP = "gave_up"
    """Tried for as long as makes sense."""
    STOPPED = "stopped"
    """Acknowledged elsewhere, or cancelled, before the next attempt began."""


# One row per state, one column per event, in the order of the two enumerations' use below. `.` changes nothing.
# Read `sending` + `stopped`: what has begun is not called back, its outcome is still written down.
# Read `failed_permanent`/`dead` + `delivered`: a late report still counts; a proof is never taken back.
_TABLE: Final = """
                   claimed  accepted  delivered  seen  acknowledged  failed_for_now    failed_for_good   lost     gave_up  stopped
queued             sending  accepted  delivered  seen  acknowledged  .                 failed_permanent  .        dead     cancelled
sending            .        accepted  delivered  seen  acknowledged  failed_transient  failed_permanent  unknown  .        .
unknown            sending  accepted  delivered  seen  acknowledged  failed_transient  failed_permanent  .        dead     cancelled
failed_transient   sending  accepted  delivered  seen  acknowledged  .                 failed_permanent  .        dead     cancelled
failed_permanent   .        .         delivered  seen  acknowledged  .                 .                 .        .        .
dead               .        accepted  delivered  seen  acknowledged  .                 .                 .        .        .
cancelled          .        accepted  delivered  seen  acknowledged  .                 .                 .        .        .
accepted           .        .         delivered  seen  acknowledged  failed_transient  failed_permanent  .        .        .
delivered          .        .         .          seen  acknowledged  .                 .                 .        .        .
seen               .        .         .          .     acknowledged  .                 .                 .        .        .
acknowledged       .        .         .          .     .             .                 .                 .        .        .
"""  # noqa: E501  # a table is read as a table


def _read(table: str) -> dict[tuple[PageState, Happened], PageState]:
    head, *rows = table.strip().splitlines()
    events = [Happened(word) for word in head.split()]
    cells = {}
    for row in rows:
        state, *nexts = row.split()
        for event, word in zip(events, nexts, strict=True):
            cells[PageState(state), event] = PageState(state) if word == "." else PageState(word)
    return cells


TRANSITIONS: Final = _read(_TABLE)
"""State and event to next state; the same state means that nothing changes."""

OPEN: Final = frozenset({PageState.QUEUED, PageState.UNKNOWN, PageState.FAILED_TRANSIENT})
"""Waiting for an attempt: what a stop cancels."""

PROVEN: Final = frozenset({PageState.DELIVERED, PageState.SEEN, PageState.ACKNOWLEDGED})
"""It has reached the person."""


@dataclass(frozen=True)
class Delivery:
    """One page on its way over one contact method.

    position: order in which the methods were started, from 0. attempts: sends begun so far. due_at: when the next
    attempt may begin, or, while `sending`, when the claim lapses; None when nothing is to be done. started_at: when
    the first attempt began, and before that when the method was chosen. provider_id: the provider's name of the last
    accepted attempt.
    """

    id: DeliveryId
    page: PageId
    position: int
    channel: str
    address: str
    reports: bool
    state: PageState
    started_at: datetime
    changed_at: datetime
    due_at: datetime | None = None
    attempts: int = 0
    provider: str | None = None
    provider_id: str | None = None
    reason: str | None = None
    claimed_by: str | None = None

    @property
    def key(self) -> str:
        """Names the contact method: the same address twice is one method."""
        return f"{self.channel}:{self.address}"


@dataclass(frozen=True)
class Attempt:
    """One send as it is kept: `outcome` and `ended_at` are None from the claim until its end is known."""

    delivery: DeliveryId
    number: int
    provider: str
    claimed_by: str
    began_at: datetime
    ended_at: datetime | None = None
    outcome: str | None = None
    reason: str | None = None
    provider_id: str | None = None


@dataclass(frozen=True)
class Step:
    """A state that a delivery has entered. attempt: sends begun by then."""

    delivery: DeliveryId
    state: PageState
    at: datetime
    reason: str | None = None
    attempt: int = 0


def move(delivery: Delivery, event: Happened, now: datetime, reason: str | None = None) -> Delivery:
    """Return the delivery after the event; the very same object when the event changes nothing."""
    state = TRANSITIONS[delivery.state, event]
    if state is delivery.state:
        return delivery
    due_at = delivery.due_at if state in OPEN else None
    return replace(delivery, state=state, changed_at=now, reason=reason, due_at=due_at, claimed_by=None)
