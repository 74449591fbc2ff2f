"""Tokens derived from a key instead of being stored: whoever has the key can name them again."""

import hashlib
import hmac
from typing import Final

PING_TOKEN_LENGTH: Final = 32


def ping_token(key: str, check: str) -> str:
    """Return the token of a heartbeat check's address, `/ping/<token>`: 32 hex digits (128 bits).

    The same key gives the same token for ever, so that the jobs that ping need not be told of a restart.
    """
    return hmac.new(key.encode(), f"ping/{check}".encode(), hashlib.sha256).hexdigest()[:PING_TOKEN_LENGTH]


def is_ping_token(key: str, check: str, token: str) -> bool:
    """Whether this is the check's token; takes the same time whatever is wrong with it."""
    return hmac.compare_digest(ping_token(key, check).encode(), token.encode())
