"""What an installation makes up once and keeps: keys, passwords, the administrator's token."""

import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Secrets:
    """All values are URL-safe: they stand in addresses and in nats-server's configuration as they are."""

    link_key: str = field(repr=False)
    """Signs acknowledgement links."""
    ping_key: str = field(repr=False)
    """Derives heartbeat addresses."""
    token_key: str = field(repr=False)
    """Seals the entries of API tokens."""
    admin_token: str = field(repr=False)
    bus: Mapping[str, str] = field(repr=False)
    """Password by user of the bus."""
    database: Mapping[str, str] = field(repr=False)
    """Password by role of the database."""


def make_up(kept: Mapping[str, object], bus_users: Iterable[str], database_roles: Iterable[str]) -> Secrets:
    """What is kept, and new values for what is missing. Raises TypeError when what is kept has another form."""
    bus, database = kept.get("bus", {}), kept.get("database", {})
    if not isinstance(bus, dict) or not isinstance(database, dict):
        raise TypeError("bus and database must be objects")
    return Secrets(
        link_key=str(kept.get("link_key") or secrets.token_urlsafe(32)),
        ping_key=str(kept.get("ping_key") or secrets.token_urlsafe(32)),
        token_key=str(kept.get("token_key") or secrets.token_urlsafe(32)),
        admin_token=str(kept.get("admin_token") or f"hc_{secrets.token_urlsafe(32)}"),
        bus=bus | {user: secrets.token_urlsafe(24) for user in bus_users if user not in bus},
        database=database | {role: secrets.token_urlsafe(24) for role in database_roles if role not in database},
    )


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step, 0600, durable before it is seen."""
    half = path.with_name(f".{path.name}.half")
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
