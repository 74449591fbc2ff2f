"""Identifiers made at run time. Names of effects are not made here but derived (`shared.values.stable_id`)."""

import os
import secrets
from datetime import datetime
from uuid import UUID

from shared.kit.clock import to_ns


def uuid7(at: datetime) -> str:
    """Return a UUIDv7 (RFC 9562): sortable by its 48-bit millisecond time, 74 random bits."""
    millis = to_ns(at) // 1_000_000
    raw = bytearray(millis.to_bytes(6, "big") + os.urandom(10))
    raw[6] = (raw[6] & 0x0F) | 0x70
    raw[8] = (raw[8] & 0x3F) | 0x80
    return str(UUID(bytes=bytes(raw)))


def start_nonce() -> str:
    """Return 8 hex digits that tell one start of a process from the next."""
    return secrets.token_hex(4)
