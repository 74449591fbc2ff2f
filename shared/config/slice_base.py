"""What all slices have in common: they travel as JSON, and tell by a digest whether anything changed.

Readers ignore fields they do not know, because a newer writer may have added some. Durations are ISO 8601 in JSON and
timedelta in Python; everything is keyed by id, so that order never changes a digest.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cached_property

from pydantic import BaseModel, ConfigDict

from shared.config.secret_refs import SecretRef


class Part(BaseModel):
    """A piece of a slice."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Slice(Part):
    """All that one service knows of the configuration."""

    @cached_property
    def _digest(self) -> str:
        canonical = json.dumps(
            self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        return hashlib.sha256(canonical.encode()).hexdigest()

    def digest(self) -> str:
        """Return the SHA-256 (hex) of the canonical JSON: the same content has the same digest everywhere."""
        return self._digest

    def secrets(self) -> tuple[SecretRef, ...]:
        """Return every reference in here: a service resolves them all before it takes a slice."""
        return tuple(dict.fromkeys(_secrets_in(self)))


def _secrets_in(value: object) -> Iterator[SecretRef]:
    if isinstance(value, SecretRef):
        yield value
    elif isinstance(value, BaseModel):
        for _, field in value:
            yield from _secrets_in(field)
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _secrets_in(part)
    elif isinstance(value, tuple):
        for part in value:
            yield from _secrets_in(part)
