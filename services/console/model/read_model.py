"""Everything the page shows. `apply` takes one event and says which parts of the page look different now.

Pure: no clock, no I/O. Bounded: what is not configured is not kept, and each list has its limit.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from services.console.model.breaches import OpenBreaches
from services.console.model.headline import Counts, Headline, headline_of
from services.console.model.incidents import OVER, Incidents
from services.console.model.pages import Page, Pages
from services.console.model.series import CheckState, Series, SeriesKey
from shared.contracts import (
    BreachEvent,
    BreachKey,
    IncidentEvent,
    Measurement,
    Message,
    OpenSet,
    PageReceipt,
    SampleBatch,
    evaluator_source,
)
from shared.values import CheckId, IncidentId, Location, Partition, ServiceId

SILENT_PROBER: Final = timedelta(seconds=10)
"""A location sends a batch at least once a second for each partition, empty if need be."""
SILENT_JUDGE: Final = timedelta(minutes=3)
"""A source restates its open set once a minute."""

HEADLINE: Final = "headline"
INCIDENTS: Final = "incidents"
BREACHES: Final = "breaches"
CHECKS: Final = "checks"
REFRESH: Final = "refresh"
"""Not a part: the whole page is to be read again, because what is watched has changed."""


@dataclass(frozen=True)
class Shape:
    """What is watched: the rows of the page, without the look of them."""

    series: dict[SeriesKey, timedelta] = field(default_factory=dict)
    """How often each is due."""
    service_of: dict[SeriesKey, ServiceId] = field(default_factory=dict)
    partition_of: dict[SeriesKey, Partition] = field(default_factory=dict)


def incident_part(incident: IncidentId) -> str:
    """The element that shows one incident's state."""
    return f"incident.{incident}"


def service_part(service: ServiceId) -> str:
    """The element that sums up one service."""
    return f"service.{service}"


class ReadModel:
    """One replica's picture of the world; every replica that read the same events shows the same."""

    def __init__(self) -> None:
        self.shape: Shape | None = None
        self.series: dict[SeriesKey, Series] = {}
        self.breaches = OpenBreaches()
        self.incidents = Incidents()
        self.pages = Pages()
        self.is_loaded = False
        self.is_deaf = False
        self._headline: Headline | None = None
        self.last_news_at: datetime | None = None
        self._listening_since: datetime | None = None
        self._heard: dict[tuple[Partition, Location], datetime] = {}
        self._of_service: dict[ServiceId, list[Series]] = {}

    def configure(self, shape: Shape, now: datetime) -> set[str]:
        """Watch these checks from now on; what a check already showed stays."""
        old, self.shape = self.series, shape
        self.series = {key: old.get(key) or Series(key, every, now) for key, every in shape.series.items()}
        self._of_service = {}
        for key, one in self.series.items():
            one.every = shape.series[key]
            self._of_service.setdefault(shape.service_of[key], []).append(one)
        wanted = {(shape.partition_of[key], key.location) for key in shape.series}
        self._heard = {where: at for where, at in self._heard.items() if where in wanted}
        self._listening_since = self._listening_since or now
        for one in self.series.values():
            self._judged(one, now)
        self._headline = None
        return {REFRESH}

    def apply(self, event: Message, heard_at: datetime) -> set[str]:
        """Take one event, live or replayed; returns the parts of the page that look different."""
        match event:
            case SampleBatch():
                changed = self._batch(event, heard_at)
            case Measurement():
                changed = self._measured(event)
            case OpenSet():
                changed = self._breached(self.breaches.state(event))
            case BreachEvent():
                changed = self._breached({event.key} if self.breaches.apply(event) else set())
            case IncidentEvent():
                changed = self._incident(event)
            case PageReceipt():
                changed = self._receipt(event)
            case _:
                changed = set()
        return self._noted(changed)

    def _noted(self, changed: set[str]) -> set[str]:
        """The headline counts every check: it is worked out once per change, not once per open page."""
        if HEADLINE in changed:
            self._headline = None
        return changed

    def loaded(self) -> set[str]:
        """All that was stored has been read."""
        self.is_loaded, self._headline = True, None
        return {REFRESH}

    def _breached(self, keys: set[BreachKey]) -> set[str]:
        rows = {SeriesKey(key.check, key.location).part for key in keys}
        return {BREACHES, HEADLINE, *rows} if keys else set()

    def _batch(self, batch: SampleBatch, heard_at: datetime) -> set[str]:
        self.last_news_at = heard_at
        if self.shape is None:
            return set()
        self._heard[batch.partition, batch.location] = heard_at
        changed: set[str] = set()
        for sample in batch.samples:
            one = self.series.get(SeriesKey(sample.check, batch.location))
            if one is not None and one.see(sample):
                changed |= {one.key.part} | self._judged(one, heard_at)
        return changed

    def _measured(self, minute: Measurement) -> set[str]:
        one = self.series.get(SeriesKey(minute.check, minute.location))
        return {one.key.part} if one is not None and one.measured(minute) else set()

    def _incident(self, event: IncidentEvent) -> set[str]:
        order = [one.incident for one in self.incidents.running()]
        if not self.incidents.apply(event):
            return set()
        for gone in self.incidents.forget_old():
            self.pages.forget_incident(gone)
        # The list is drawn anew only when a card comes, goes or changes its place: a card alone moves nothing.
        moves = event.stage in OVER or order != [one.incident for one in self.incidents.running()]
        return {HEADLINE, BREACHES, incident_part(event.incident)} | ({INCIDENTS} if moves else set())

    def _receipt(self, receipt: PageReceipt) -> set[str]:
        if not self.pages.apply(receipt):
            return set()
        return {incident_part(receipt.incident), HEADLINE}

    def tick(self, now: datetime, *, is_deaf: bool = False) -> set[str]:
        """Let time pass: results grow stale, probers and evaluators fall silent. Called about once a second.

        While we are deaf (the bus is away) nothing is judged, and afterwards everybody gets a fresh start: our own
        silence never reads as theirs.
        """
        changed: set[str] = {HEADLINE}
        self.is_deaf = is_deaf
        if is_deaf:
            self._listening_since = now
            return self._noted(changed)
        for one in self.series.values():
            changed |= self._judged(one, now)
        return self._noted(changed)

    def _judged(self, one: Series, now: datetime) -> set[str]:
        if self.shape is None or self._listening_since is None:
            return set()
        silent = self.prober_is_silent(one, now)
        if not one.judge(now, self._listening_since, prober_is_silent=silent):
            return set()
        return {one.key.part, service_part(self.shape.service_of[one.key]), HEADLINE}

    def prober_is_silent(self, one: Series, now: datetime) -> bool:
        """Whether the location that looks at this check has not been heard for ten seconds (or since we listen)."""
        since = self._listening_since
        if self.shape is None or since is None:
            return False
        heard = self._heard.get((self.shape.partition_of[one.key], one.key.location), since)
        return now - max(heard, since, one.since) > SILENT_PROBER

    def find(self, check: str, location: str) -> Series | None:
        """One row, if it is watched."""
        return self.series.get(SeriesKey(CheckId(check), Location(location)))

    def of_service(self, service: ServiceId) -> list[Series]:
        """A service's rows in the order of the configuration."""
        return self._of_service.get(service, [])

    def lost_pages(self, incident: IncidentId) -> list[Page]:
        """The pages of an incident's current ack epoch that reached nobody."""
        return [page for page in self.pages.of(incident) if page.is_lost]

    def undeliverable(self, incident: IncidentId) -> int:
        """Pages of an incident that reached nobody, by the receipts or by its own events, whichever is worse."""
        return max(len(self.lost_pages(incident)), self.incidents.undeliverable(incident))

    def silent_judges(self, now: datetime) -> list[Partition]:
        """Partitions with checks whose evaluator has not stated its open set for minutes."""
        since = self._listening_since
        if self.shape is None or since is None:
            return []
        stated = {
            partition: self.breaches.stated_at(evaluator_source(partition)) or since
            for partition in set(self.shape.partition_of.values())
        }
        return sorted(partition for partition, at in stated.items() if now - max(at, since) > SILENT_JUDGE)

    def headline(self, now: datetime) -> Headline:
        """The first line of the page, as of the last change or tick."""
        if self._headline is None:
            self._headline = headline_of(self._counts(now))
        return self._headline

    def _counts(self, now: datetime) -> Counts:
        running = self.incidents.running()
        states = [one.state for one in self.series.values()]
        return Counts(
            is_configured=self.shape is not None and bool(self.series),
            is_loaded=self.is_loaded,
            is_deaf=self.is_deaf,
            checks=len(self.series),
            incidents=len(running),
            unacknowledged=sum(one.acknowledged_by is None for one in running),
            undeliverable=sum(self.undeliverable(one.incident) for one in running),
            breaches=len(self.breaches.open()),
            failed=states.count(CheckState.FAILED),
            unknown=states.count(CheckState.UNKNOWN),
            prober_down=states.count(CheckState.PROBER_DOWN),
            stale=states.count(CheckState.STALE),
            waiting=states.count(CheckState.WAITING),
            silent_judges=len(self.silent_judges(now)),
        )
