"""One page for one person, and the receipts that prove what became of it (ADR 0003)."""

from enum import StrEnum
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.base import Event, Subject
from shared.values import DeliveryId, IncidentId, PageId, PersonId, ServiceId, Severity, stable_id


class PageKind(StrEnum):
    """A `page` rings until somebody acknowledges; `update` and `resolved` only tell."""

    PAGE = "page"
    UPDATE = "update"
    RESOLVED = "resolved"


class PageState(StrEnum):
    """Where a delivery (and with it its page) stands."""

    QUEUED = "queued"
    SENDING = "sending"
    UNKNOWN = "unknown"
    FAILED_TRANSIENT = "failed_transient"
    FAILED_PERMANENT = "failed_permanent"
    DEAD = "dead"
    CANCELLED = "cancelled"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    SEEN = "seen"
    ACKNOWLEDGED = "acknowledged"

    @property
    def rank(self) -> int:
        """How much is proven; a receipt never moves a delivery to a lower proof."""
        return _RANK[self]


_RANK: Final = {state: rank for rank, state in enumerate(PageState)}


class Addressee(BaseModel):
    """Whom a page is for: a person with contact methods in order, or a channel that is only told."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    person: PersonId | None = None
    channel: str | None = None
    """Kind of channel (`chat`, `webhook`) when no person is meant."""
    target: str | None = None
    """What to address there: `#erp-launch`."""

    @property
    def text(self) -> str:
        """One word that names the addressee: `ana` or `chat:#erp-launch`."""
        return self.person or f"{self.channel}:{self.target or ''}"


def page_id(incident: IncidentId, ack_epoch: int, round_: int, rung: int, addressee: Addressee, kind: str) -> PageId:
    """Name a page before it exists: hash(incident, ack epoch, round, rung, person, kind)."""
    return PageId(stable_id("page", incident, ack_epoch, round_, rung, addressee.text, kind))


def delivery_id(page: PageId, channel: str) -> DeliveryId:
    """Name a delivery: hash(page, channel), the idempotency key towards the provider."""
    return DeliveryId(stable_id("delivery", page, channel))


class PageRequested(Event):
    """Carry this to that person until it is proven seen."""

    subject: ClassVar[Subject] = Subject("hc.pages.v1.requested")
    ce_type: ClassVar[str] = "hypercare.page.requested.v1"

    page: PageId
    incident: IncidentId
    incident_name: str
    service: ServiceId
    ack_epoch: int
    round: int
    """Repetition of the whole policy, from 0; for an update: which one, from 0."""
    rung: int
    """Step of the policy, from 0."""
    addressee: Addressee
    kind: PageKind
    severity: Severity
    title: str
    lines: list[str] = Field(default_factory=list)
    runbook: str | None = None
    issue: int = 0
    """Counts re-sends of a request that got no receipt: part of the message id, else the stream would drop it."""
    revision: int | None = None
    """Of the configuration that names the addressee."""

    @property
    def msg_id(self) -> str:
        """The page's name with the count of its re-sends."""
        return f"{self.page}.{self.issue}"


class PageCancelled(Event):
    """Send nothing more for this ack epoch: acknowledged, cleared, or closed. A tombstone where none was known."""

    subject: ClassVar[Subject] = Subject("hc.pages.v1.cancelled")
    ce_type: ClassVar[str] = "hypercare.page.cancelled.v1"

    incident: IncidentId
    ack_epoch: int
    """Pages of kind `page` with this epoch or an older one stop."""
    reason: str


class PageReceipt(Event):
    """What became of one delivery, or (without one) of the page as a whole."""

    subject: ClassVar[Subject] = Subject("hc.receipts.v1.{page}.{state}")
    ce_type: ClassVar[str] = "hypercare.page.receipt.v1"

    page: PageId
    incident: IncidentId
    ack_epoch: int
    addressee: Addressee
    kind: PageKind
    state: PageState
    delivery: DeliveryId | None = None
    channel: str | None = None
    attempt: int = 0
    reason: str | None = None
    """Why it failed or is unknown, in words for people; how it was acknowledged (`link`, `api`)."""
    undeliverable: bool = False
    """True on the page's own receipt when no channel of this person is left: page the next one, show it red."""
    revision: int | None = None
    """The one in the page's request."""
