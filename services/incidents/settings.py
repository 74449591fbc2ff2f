"""Everything this service reads from its environment."""

from shared.kit.settings import DatabaseSettings, HttpSettings


class Settings(DatabaseSettings, HttpSettings):
    """`HYPERCARE_*`; see the base classes."""
