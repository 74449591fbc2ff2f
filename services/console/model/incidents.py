"""The incidents: the newest snapshot of each."""

from dataclasses import dataclass
from typing import Final, TypeAlias

from shared.contracts import IncidentEvent, IncidentUpdated, Stage
from shared.values import IncidentId

Incident: TypeAlias = IncidentEvent
"""Every incident event carries the whole snapshot after it; the newest one is the incident."""

CLOSED_KEPT: Final = 50
OVER: Final = frozenset({Stage.POST_MORTEM, Stage.CLOSED})
"""The system is well again: what is left is paper."""


@dataclass
class Incidents:
    """Ordered by each incident's own sequence: replays and repetitions change nothing."""

    def __post_init__(self) -> None:
        self._newest: dict[IncidentId, Incident] = {}
        self._undeliverable: dict[IncidentId, int] = {}
        self._been_in: dict[IncidentId, set[Stage]] = {}

    def apply(self, event: IncidentEvent) -> bool:
        """Take one event; False when it is not newer than what is known."""
        if isinstance(event, IncidentUpdated) and event.undeliverable:
            most = max(event.undeliverable, self._undeliverable.get(event.incident, 0))
            self._undeliverable[event.incident] = most
        self._been_in.setdefault(event.incident, set()).add(event.stage)
        known = self._newest.get(event.incident)
        if known is not None and event.sequence <= known.sequence:
            return False
        self._newest[event.incident] = event
        return True

    def get(self, incident: IncidentId) -> Incident | None:
        """One incident, if it is known."""
        return self._newest.get(incident)

    def undeliverable(self, incident: IncidentId) -> int:
        """How many pages of it could not be delivered, as the incident's own events say."""
        return self._undeliverable.get(incident, 0)

    def been_in(self, incident: IncidentId) -> set[Stage]:
        """The stages it has been in: one that healed by itself has not been in all that lie behind it."""
        return self._been_in.get(incident, set())

    def running(self) -> list[Incident]:
        """Everything not yet well again: not acknowledged first, then by severity, then the oldest."""
        found = [one for one in self._newest.values() if one.stage not in OVER]
        return sorted(
            found, key=lambda one: (one.acknowledged_by is not None, -one.severity.rank, one.opened_at, one.incident)
        )

    def over(self) -> list[Incident]:
        """In post-mortem, then closed; the latest first."""
        found = [one for one in self._newest.values() if one.stage in OVER]
        return sorted(found, key=lambda one: (one.stage is Stage.CLOSED, -one.stage_entered_at.timestamp()))

    def forget_old(self) -> list[IncidentId]:
        """Keep the latest 50 closed ones; returns what was forgotten."""
        closed = [one.incident for one in self.over() if one.stage is Stage.CLOSED]
        for incident in closed[CLOSED_KEPT:]:
            del self._newest[incident]
            self._undeliverable.pop(incident, None)
            self._been_in.pop(incident, None)
        return closed[CLOSED_KEPT:]
