"""Everything this service reads from its environment."""

from pydantic import Field

from shared.kit.settings import DatabaseSettings, HttpSettings, TokenSettings


class Settings(DatabaseSettings, HttpSettings, TokenSettings):
    """`HYPERCARE_*`; see the base classes."""

    breaches_at_once: int = Field(default=4, ge=1, le=32)
    """Breaches of different services (or silent locations) taken from the bus at the same time."""
    pool_size: int = Field(default=12, ge=2, le=64)
    """Connections to the database: breaches, open sets, receipts, due work, people, and half of them for the outbox."""
