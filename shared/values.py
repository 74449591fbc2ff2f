"""Small types that contracts and domains both use: identifiers, severities, durations, partitions."""

import hashlib
import re
from datetime import timedelta
from enum import StrEnum
from typing import Final, NewType

ServiceId = NewType("ServiceId", str)
CheckId = NewType("CheckId", str)
RuleId = NewType("RuleId", str)
PersonId = NewType("PersonId", str)
Location = NewType("Location", str)
IncidentId = NewType("IncidentId", str)
PageId = NewType("PageId", str)
DeliveryId = NewType("DeliveryId", str)
Partition = NewType("Partition", int)

ID_PATTERN: Final = r"^[a-z][a-z0-9-]{0,62}$"
"""Check, service, rule, person and location ids: flat, unique, and safe as one token of a bus subject."""

DEFAULT_PARTITIONS: Final = 16


class Severity(StrEnum):
    """How bad a breach or an incident is; the seed's four levels, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """Order for comparisons: 3 for critical down to 0 for low."""
        return _SEVERITY_RANK[self]


_SEVERITY_RANK: Final = {Severity.CRITICAL: 3, Severity.HIGH: 2, Severity.MEDIUM: 1, Severity.LOW: 0}


class Outcome(StrEnum):
    """What a probe saw. `unknown` means that we cannot say (D2), never that the target is down."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


def partition_of(key: str, partitions: int = DEFAULT_PARTITIONS) -> Partition:
    """Return the partition (0 <= p < partitions) of a service id (or of a check id where its service is split).

    A stable hash, the same on every machine and version: BLAKE2b over the UTF-8 bytes, first 8 bytes, big endian.
    """
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return Partition(int.from_bytes(digest, "big") % partitions)


def stable_id(*parts: str | int) -> str:
    """Return 32 hex digits that name these parts for ever: the name of an effect before it happens (D3).

    Parts are length-prefixed, so that ("ab", "c") and ("a", "bc") differ.
    """
    h = hashlib.blake2b(digest_size=16)
    for part in parts:
        raw = str(part).encode()
        h.update(len(raw).to_bytes(4, "big"))
        h.update(raw)
    return h.hexdigest()


_UNITS_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")


def parse_duration(text: str) -> timedelta:
    """Read `100ms`, `5s`, `1m30s`, `24h`, `1.5h`, `7d`; raise ValueError for anything else.

    The result has millisecond resolution. Numbers without a unit are refused: a bare `5` is a guess.
    """
    total_ms, end = 0.0, 0
    for match in _DURATION.finditer(text):
        if match.start() != end:
            break
        total_ms += float(match[1]) * _UNITS_MS[match[2]]
        end = match.end()
    if not text or end != len(text):
        raise ValueError(f"not a duration: {text!r}; write a number and a unit, like 500ms, 5s, 1m30s, 24h, 7d")
    return timedelta(milliseconds=round(total_ms))


def format_duration(value: timedelta) -> str:
    """Write a duration the way `parse_duration` reads it: `1m30s`, `500ms`, `0s`."""
    rest, parts = round(value.total_seconds() * 1000), []
    for unit in ("d", "h", "m", "s", "ms"):
        count, rest = divmod(rest, _UNITS_MS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
