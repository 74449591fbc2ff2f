"""Each page's way to its person, read from the receipts."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from shared.contracts import Addressee, PageKind, PageReceipt, PageState
from shared.values import IncidentId, PageId

PAGES_KEPT: Final = 2000
_SETTLED: Final = frozenset({PageState.SEEN, PageState.ACKNOWLEDGED})


@dataclass(frozen=True)
class Delivery:
    """One channel's attempt at one page, at its highest proof."""

    channel: str
    state: PageState
    at: datetime
    attempt: int
    reason: str | None


@dataclass
class Page:
    """One page for one person, with what became of it."""

    page: PageId
    incident: IncidentId
    ack_epoch: int
    addressee: Addressee
    kind: PageKind
    first_at: datetime
    last_at: datetime
    deliveries: dict[str, Delivery] = field(default_factory=dict)
    whole: Delivery | None = None
    """The receipt of the page itself, without a delivery."""
    is_undeliverable: bool = False

    @property
    def state(self) -> PageState:
        """The best proof there is; while nothing is proven, what the latest channel says."""
        known = [*self.deliveries.values(), *([self.whole] if self.whole else [])]
        best = max(known, key=lambda one: one.state.rank)
        if best.state.rank >= PageState.ACCEPTED.rank or self.whole is best:
            return best.state
        return max(self.deliveries.values() or known, key=lambda one: one.at).state

    @property
    def is_lost(self) -> bool:
        """No channel of this person is left, and nobody has seen it: shown red."""
        return self.is_undeliverable and self.state not in _SETTLED


class Pages:
    """Bounded: the oldest pages go first."""

    def __init__(self) -> None:
        self._pages: dict[PageId, Page] = {}
        self._of: dict[IncidentId, dict[PageId, None]] = {}

    def apply(self, receipt: PageReceipt) -> bool:
        """Take one receipt; False when it proves nothing new."""
        page = self._pages.get(receipt.page) or self._new(receipt)
        seen = Delivery(receipt.channel or "", receipt.state, receipt.occurred_at, receipt.attempt, receipt.reason)
        changed = receipt.undeliverable and not page.is_undeliverable
        page.is_undeliverable = page.is_undeliverable or receipt.undeliverable
        if receipt.delivery is None:
            if page.whole is None or seen.state.rank > page.whole.state.rank:
                page.whole, changed = seen, True
        elif _proves_more(seen, page.deliveries.get(receipt.delivery)):
            page.deliveries[receipt.delivery], changed = seen, True
        page.last_at = max(page.last_at, receipt.occurred_at)
        return changed

    def _new(self, receipt: PageReceipt) -> Page:
        page = Page(
            receipt.page, receipt.incident, receipt.ack_epoch, receipt.addressee, receipt.kind,
            receipt.occurred_at, receipt.occurred_at,
        )  # fmt: skip
        self._pages[receipt.page] = page
        self._of.setdefault(receipt.incident, {})[receipt.page] = None
        if len(self._pages) > PAGES_KEPT:
            self._forget(next(iter(self._pages)))
        return page

    def _forget(self, page: PageId) -> None:
        gone = self._pages.pop(page)
        of = self._of[gone.incident]
        del of[page]
        if not of:
            del self._of[gone.incident]

    def of(self, incident: IncidentId) -> list[Page]:
        """The pages of an incident in the order they began."""
        return sorted((self._pages[page] for page in self._of.get(incident, {})), key=lambda p: (p.first_at, p.page))

    def forget_incident(self, incident: IncidentId) -> None:
        """Drop the pages of an incident that is no longer kept."""
        for page in list(self._of.get(incident, {})):
            self._forget(page)


def _proves_more(seen: Delivery, known: Delivery | None) -> bool:
    return known is None or seen.state.rank > known.state.rank
