"""The slice of the console: names and thresholds."""

from datetime import timedelta

from shared.config.checks import CheckKind
from shared.config.slice_base import Part, Slice
from shared.config.slices_probing import Band
from shared.config.types import Unit
from shared.values import CheckId, Location, Partition, PersonId, RuleId, ServiceId, Severity


class ConsoleService(Part):
    """A service as the console shows it."""

    description: str | None
    runbook: str | None
    partition: Partition


class ConsoleCheck(Part):
    """A check as the console shows it."""

    service: ServiceId
    kind: CheckKind
    every: timedelta
    values: dict[str, Unit]
    target: str | None
    """The address it asks, without its query; None for a heartbeat."""


class ConsoleRule(Part):
    """A rule as the console shows it."""

    check: CheckId
    service: ServiceId
    summary: str
    """One line: `p95 of total over 5m above 1s critical, 500ms high`."""
    bands: tuple[Band, ...]
    of: str | None
    severity: Severity | None


class ConsoleSlice(Slice):
    """For the console: names and thresholds."""

    programme: str
    timezone: str
    public_url: str
    locations: tuple[Location, ...]
    services: dict[ServiceId, ConsoleService]
    checks: dict[CheckId, ConsoleCheck]
    rules: dict[RuleId, ConsoleRule]
    people: dict[PersonId, str]
    """Names by id."""
