"""Settings of the evaluator; all have defaults that are right for a laptop."""

from pydantic import Field

from shared.kit.settings import ServiceSettings


class Settings(ServiceSettings):
    """HYPERCARE_… variables of this service."""

    checkpoint_every_s: float = Field(default=10.0, gt=0, le=600)
    checkpoint_every_records: int = Field(default=20_000, ge=1)
    tick_after_s: float = Field(default=1.0, gt=0, le=10)
    """Silence of a partition's log after which its owner appends a Tick."""
