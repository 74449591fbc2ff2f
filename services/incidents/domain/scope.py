"""What an incident is about: a service, or a location that nobody hears from any more."""

from dataclasses import dataclass

from shared.contracts import BreachKey
from shared.values import Location, ServiceId


@dataclass(frozen=True)
class Scope:
    """What one transaction has alone. One of the two is set.

    The evaluator says of each service that it is not seen from a silent location; for people that is one incident, and
    so all breaches of a silent location are the location's, whatever their services.
    """

    service: ServiceId | None = None
    location: Location | None = None

    @property
    def text(self) -> str:
        """In words: `erp-web` or `location fra` (no service has a space in its name)."""
        return self.service or f"location {self.location}"


def scope_of(service: ServiceId, key: BreachKey) -> Scope:
    """Where a breach belongs."""
    return Scope(location=key.location) if key.is_silent_prober else Scope(service)


def scope_of_incident(service: ServiceId, location: Location | None) -> Scope:
    """Where an incident belongs; one of a silent location names the first service that was not seen from there."""
    return Scope(location=location) if location else Scope(service)
