"""What the templates show, worked out of the read model. Pure: `now` comes in."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from services.console.model import CheckState, Incident, Page, ReadModel, Series, SeriesKey, Shape
from services.console.web.incident_views import BreachView, IncidentView, breach_view, incident_view
from services.console.web.spark import Spark, spark_of
from services.console.web.words import STATE_ICONS, STATE_WORDS, measured, millis, seconds, span
from shared.config.checks import CheckKind
from shared.config.slice_models import ConsoleCheck, ConsoleService, ConsoleSlice
from shared.contracts import OpenBreach, Stage
from shared.values import CheckId, IncidentId, Outcome, ServiceId

ALL_SHOWN: Final = 200
"""Up to so many rows are all on the page; beyond, a service shows what needs a look and the rest on demand."""
ODD_SHOWN: Final = 50
BREACHES_SHOWN: Final = 100
OVER_SHOWN: Final = 8


@dataclass(frozen=True)
class RowView:
    """One check at one location."""

    part: str
    check: str
    location: str | None
    target: str
    state: CheckState
    word: str
    icon: str
    severity: str | None
    reason: str
    took: str
    at_ms: int | None
    age: str
    spark: Spark | None


@dataclass(frozen=True)
class ServiceView:
    """One service: its sum and its rows."""

    service: str
    description: str
    runbook: str | None
    tone: str
    sum: str
    rows: tuple[RowView, ...]
    hidden: int
    """Rows that are fine and only shown on demand."""


def shape_of(config: ConsoleSlice) -> Shape:
    """Cut the rows out of the configuration: every check at every location."""
    shape = Shape()
    for check, one in config.checks.items():
        for location in config.locations:
            key = SeriesKey(check, location)
            shape.series[key] = one.every
            shape.service_of[key] = one.service
            shape.partition_of[key] = config.services[one.service].partition
    return shape


class Views:
    """The read model through the eyes of one configuration."""

    def __init__(self, model: ReadModel, config: ConsoleSlice | None) -> None:
        self._model = model
        self._config = config
        self.zone = ZoneInfo(config.timezone) if config else ZoneInfo("UTC")
        self._limits = _limits(config) if config else {}

    @property
    def programme(self) -> str:
        """The programme's name, for the title."""
        return self._config.programme if self._config else "Hypercare"

    @property
    def is_small(self) -> bool:
        """Whether every row is on the page."""
        return len(self._model.series) <= ALL_SHOWN

    def row(self, one: Series, now: datetime) -> RowView:
        """One row."""
        check = self._check(one.key.check)
        breach = self._model.breaches.of_check(one.key.check, one.key.location)
        many_places = self._config is not None and len(self._config.locations) > 1
        at = one.last_at
        return RowView(
            part=one.key.part,
            check=one.key.check,
            location=one.key.location if many_places else None,
            target=_target(check),
            state=one.state,
            word=STATE_WORDS[one.state],
            icon=STATE_ICONS[one.state],
            severity=breach.severity.value if breach else None,
            reason=_reason(one, check),
            took="" if check is None or check.kind is CheckKind.HEARTBEAT else _took(one),
            at_ms=None if at is None else millis(at),
            age="" if at is None else f"{span(max(now - at, timedelta()))} ago",
            spark=spark_of(one.looks(now), now, self._limits.get(one.key.check)),
        )

    def _check(self, check: CheckId) -> ConsoleCheck | None:
        return self._config.checks.get(check) if self._config else None

    def services(self, now: datetime) -> list[ServiceView]:
        """Every service, those that need a look first, else in the configuration's order."""
        if self._config is None:
            return []
        return [self.service(name, now) for name in self._config.services]

    def service(self, service: ServiceId, now: datetime) -> ServiceView:
        """One service; on a large page only the rows that need a look."""
        known = self._model.of_service(service)
        odd = [one for one in known if one.state.needs_a_look]
        shown = known if self.is_small else odd[:ODD_SHOWN]
        about = self._about(service)
        return ServiceView(
            service=service,
            description=(about.description or "") if about else "",
            runbook=about.runbook if about else None,
            tone=_tone(known),
            sum=_sum(known, odd),
            rows=tuple(self.row(one, now) for one in shown),
            hidden=len(known) - len(shown),
        )

    def _about(self, service: ServiceId) -> ConsoleService | None:
        return self._config.services.get(service) if self._config else None

    def all_rows(self, service: ServiceId, now: datetime) -> list[RowView]:
        """Every row of a service, on demand."""
        return [self.row(one, now) for one in self._model.of_service(service)]

    def breaches(self, now: datetime) -> list[BreachView]:
        """The open breaches, worst first, at most 100."""
        running = {_explained_by(one): one for one in self._model.incidents.running()}
        rules = self._config.rules if self._config else {}
        return [
            breach_view(one, rules.get(one.key.rule), running.get(_explaining(one)), now)
            for one in self._model.breaches.open()[:BREACHES_SHOWN]
        ]

    def running(self, now: datetime) -> list[IncidentView]:
        """The incidents that are not over."""
        return [self._incident(one, now) for one in self._model.incidents.running()]

    def over(self, now: datetime) -> list[IncidentView]:
        """The latest that are over: post-mortems to be written first."""
        found = self._model.incidents.over()
        owed = [one for one in found if one.stage is not Stage.CLOSED]
        return [self._incident(one, now) for one in found[: max(OVER_SHOWN, len(owed))]]

    def incident(self, incident: IncidentId, now: datetime) -> IncidentView | None:
        """One incident, if it is known."""
        found = self._model.incidents.get(incident)
        return None if found is None else self._incident(found, now)

    def _incident(self, one: Incident, now: datetime) -> IncidentView:
        pages: list[Page] = self._model.pages.of(one.incident)
        people = self._config.people if self._config else {}
        lost = self._model.undeliverable(one.incident)
        about = None if one.location else self._about(one.service)
        been_in = self._model.incidents.been_in(one.incident)
        return incident_view(one, pages, been_in, people, lost, about.runbook if about else None, self.zone, now)


def _explained_by(one: Incident) -> tuple[str, str]:
    """Which breaches an incident explains: a service's by symptom, or all that say that a location is silent."""
    return (one.about, "" if one.location else one.symptom)


def _explaining(breach: OpenBreach) -> tuple[str, str]:
    return (f"location {breach.key.location}", "") if breach.key.is_silent_prober else (breach.service, breach.symptom)


def _limits(config: ConsoleSlice) -> dict[CheckId, float]:
    """The first threshold on a check's own time, in seconds."""
    found: dict[CheckId, float] = {}
    for rule in config.rules.values():
        if rule.of == "total" and rule.bands:
            lowest = min(band.value for band in rule.bands)
            found[rule.check] = min(lowest, found.get(rule.check, lowest))
    return found


def _target(check: ConsoleCheck | None) -> str:
    if check is None:
        return ""
    return check.target.partition("://")[2] if check.target else "waits to be pinged"


def _reason(one: Series, check: ConsoleCheck | None) -> str:
    """Why it is as it is; for a check that is well the numbers it reads."""
    if one.state is CheckState.PROBER_DOWN:
        return "nobody looks at it: the prober is silent"
    if one.state is CheckState.WAITING:
        return "no result yet"
    last = one.last
    if last is None:
        return ""
    if last.outcome is not Outcome.OK:
        return last.reason or last.code or ""
    values = check.values if check else {}
    return " · ".join(
        f"{name.replace('_', ' ')} {measured(last.values[name], unit)}"
        for name, unit in values.items()
        if name in last.values
    )


def _took(one: Series) -> str:
    if one.last is not None:
        return seconds(one.last.took_s)
    total = one.last_minute.series.get("total") if one.last_minute else None
    return seconds(total.p50) if total else ""


def _tone(known: list[Series]) -> str:
    states = {one.state for one in known}
    if CheckState.FAILED in states:
        return "bad"
    if any(state.needs_a_look for state in states):
        return "warn"
    return "ok" if CheckState.OK in states else "waiting"


def _sum(known: list[Series], odd: list[Series]) -> str:
    total = f"{len(known)} check{'' if len(known) == 1 else 's'}"
    if not odd:
        waiting = sum(one.state is CheckState.WAITING for one in known)
        return f"{total}, {waiting} waiting" if waiting else f"{total}, all ok" if len(known) > 1 else f"{total}, ok"
    said = [
        f"{sum(one.state is state for one in odd)} {STATE_WORDS[state]}"
        for state in (CheckState.FAILED, CheckState.PROBER_DOWN, CheckState.UNKNOWN, CheckState.STALE)
        if any(one.state is state for one in odd)
    ]
    return f"{total}, {', '.join(said)}"
