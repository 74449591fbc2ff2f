"""The prober's settings: `HYPERCARE_<NAME>`."""

from pathlib import Path

from pydantic import Field, SecretStr

from shared.kit.settings import HttpSettings, ServiceSettings
from shared.values import ID_PATTERN


class Settings(HttpSettings, ServiceSettings):
    """Where we look from, and how hard."""

    location: str = Field(default="main", pattern=ID_PATTERN)
    """Must be one of the configuration's `locations`."""
    ping_key: SecretStr = Field(min_length=16)
    """Heartbeat addresses are derived from it: the same for every prober, kept for ever."""
    max_in_flight: int = Field(default=500, ge=1, le=10_000)
    max_in_flight_per_host: int = Field(default=50, ge=1, le=10_000)
    buffer_samples: int = Field(default=20_000, ge=100)
    """Samples kept while the bus is away: at 2,000 probes a second, ten seconds."""
    ca_file: Path | None = None
    """The CA bundle to trust; the machine's own when absent."""
