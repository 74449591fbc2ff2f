"""Everything this service reads from its environment."""

from shared.kit.settings import DatabaseSettings, HttpSettings, TokenSettings


class Settings(DatabaseSettings, HttpSettings, TokenSettings):
    """`HYPERCARE_*`; see the base classes."""
