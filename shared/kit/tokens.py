"""API tokens: kept as hashes in the bucket `tokens`, so that every service that answers people reads the same ones.

Each entry is sealed with a key that only those services and the administrator have. The bus lets nobody but the
administrator write here (ADR 9); an entry that came in all the same, by a copied store or a bus of one's own without
these rights, makes nobody anything.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from fastapi import Depends, HTTPException, Request
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import KeyNotFoundError
from nats.js.kv import KeyValue

from shared.contracts.streams import TOKENS
from shared.kit.clock import Clock
from shared.kit.errors import Transient
from shared.kit.logging import get_logger

log = get_logger()


class Role(StrEnum):
    """What a token may do; each includes the ones before it."""

    VIEWER = "viewer"
    RESPONDER = "responder"
    MANAGER = "manager"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Whether this role may do what `other` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True)
class Identity:
    """Who is asking: the token's name (a person's id where one is meant) and role."""

    name: str
    role: Role


def hash_of(token: str) -> str:
    """The key a token is kept under. Tokens have 256 random bits, so a plain SHA-256 cannot be searched."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_token() -> str:
    """Make a token: shown once, kept only as its hash."""
    return f"hc_{secrets.token_urlsafe(32)}"


def _seal(key: str, token_hash: str, name: str, role: str) -> str:
    """HMAC-SHA256 over all that an entry says; JSON keeps the parts apart."""
    return hmac.new(key.encode(), json.dumps([token_hash, name, role]).encode(), hashlib.sha256).hexdigest()


async def store_token(js: JetStreamContext, key: str, token: str, name: str, role: Role, at: datetime) -> None:
    """Keep a token's hash with its name and role, sealed with the installation's token key."""
    bucket = await js.key_value(TOKENS.name)
    kept = hash_of(token)
    seal = _seal(key, kept, name, role.value)
    entry = {"name": name, "role": role.value, "created_at": at.isoformat(), "seal": seal}
    await bucket.put(kept, json.dumps(entry).encode())


def _unsealed(key: str, token_hash: str, value: bytes) -> Identity | None:
    """Read an entry; None for one that we did not seal ourselves, whatever it says."""
    try:
        fields = json.loads(value)
        name, role, seal = str(fields["name"]), str(fields["role"]), str(fields["seal"])
        is_ours = hmac.compare_digest(_seal(key, token_hash, name, role).encode(), seal.encode())
        identity = Identity(name, Role(role))
    except (ValueError, KeyError, TypeError) as error:
        log.warning("token_entry_unreadable", entry=token_hash[:12], reason=repr(error))
        return None
    if not is_ours:
        log.warning("token_entry_not_ours", entry=token_hash[:12], name=name)
        return None
    return identity


CACHE_S: Final = 5.0


class Tokens:
    """Looks tokens up, remembering answers for five seconds."""

    def __init__(self, js: JetStreamContext, key: str, clock: Clock) -> None:
        self._js = js
        self._key = key
        self._clock = clock
        self._bucket: KeyValue | None = None
        self._seen: dict[str, tuple[float, Identity | None]] = {}

    async def identify(self, token: str) -> Identity | None:
        """Who this token is, or None. Raises Transient when the bus cannot be asked."""
        key, now = hash_of(token), self._clock.monotonic()
        known = self._seen.get(key)
        if known and known[0] > now:
            return known[1]
        identity = await self._look_up(key)
        if len(self._seen) > 10_000:  # guesses must not fill the memory  # noqa: PLR2004
            self._seen.clear()
        self._seen[key] = (now + CACHE_S, identity)
        return identity

    async def _look_up(self, key: str) -> Identity | None:
        try:
            if self._bucket is None:
                self._bucket = await self._js.key_value(TOKENS.name)
            entry = await self._bucket.get(key)
        except KeyNotFoundError:
            return None
        except (NatsError, OSError, TimeoutError) as error:
            raise Transient(f"cannot look up the token: {error!r}") from error
        return _unsealed(self._key, key, entry.value or b"")


def require(tokens: Callable[[], Tokens], role: Role) -> type[Identity]:
    """A FastAPI annotation that lets in bearer tokens of this role or above: `who: Responder`."""

    async def check(request: Request) -> Identity:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise HTTPException(401, "give a token: Authorization: Bearer …", {"www-authenticate": "Bearer"})
        identity = await tokens().identify(token)
        if identity is None:
            raise HTTPException(401, "this token is not known", {"www-authenticate": "Bearer"})
        if not identity.role.includes(role):
            raise HTTPException(403, f"this needs the role {role.value}; the token has {identity.role.value}")
        return identity

    return Annotated[Identity, Depends(check)]  # type: ignore[return-value]  # FastAPI reads the annotation
