"""The acknowledge link's token: signed, bound to one delivery of one page for one person, expiring."""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.values import DeliveryId, PageId

VALID_FOR: Final = timedelta(hours=72)
_ID_BYTES: Final = 16
_MAC_BYTES: Final = 16
_LENGTH: Final = _ID_BYTES + 4 + _MAC_BYTES


@dataclass(frozen=True)
class Claimed:
    """What a token says, before anybody has checked that we wrote it."""

    delivery: DeliveryId
    expires_at: datetime
    mac: bytes


def write_token(key: bytes, delivery: DeliveryId, page: PageId, addressee: str, requested_at: datetime) -> str:
    """Return the token, 48 characters that are safe in a URL and an SMS.

    It depends on nothing but its arguments: a second attempt sends the very same text, by which a provider that knows
    no idempotency key can be asked whether it has the first.
    """
    until = int((requested_at + VALID_FOR).timestamp())
    mac = _mac(key, delivery, page, addressee, until)
    raw = bytes.fromhex(delivery) + until.to_bytes(4, "big") + mac
    return base64.urlsafe_b64encode(raw).decode()


def read_token(token: str) -> Claimed | None:
    """Return what a token claims; None for what cannot be a token of ours."""
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != _LENGTH or base64.urlsafe_b64encode(raw).decode() != token:
        return None
    until = int.from_bytes(raw[_ID_BYTES : _ID_BYTES + 4], "big")
    return Claimed(DeliveryId(raw[:_ID_BYTES].hex()), datetime.fromtimestamp(until, UTC), raw[_ID_BYTES + 4 :])


def is_ours(key: bytes, claimed: Claimed, page: PageId, addressee: str) -> bool:
    """Whether we wrote this token for this page and addressee. Says nothing of its age."""
    right = _mac(key, claimed.delivery, page, addressee, int(claimed.expires_at.timestamp()))
    return hmac.compare_digest(right, claimed.mac)


def _mac(key: bytes, delivery: DeliveryId, page: PageId, addressee: str, until: int) -> bytes:
    said = "\n".join(("ack-link-1", delivery, page, addressee, str(until)))
    return hmac.new(key, said.encode(), hashlib.sha256).digest()[:_MAC_BYTES]
