"""The incident's diary: only ever appended to, each entry sealed with the one before it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.values import IncidentId


@dataclass(frozen=True)
class Entry:
    """One line. `sequence` counts from 1 without gaps; `hash` is SHA-256 (hex) over the last hash and the rest."""

    incident: IncidentId
    sequence: int
    at: datetime
    kind: str
    text: str
    actor: str
    hash: str


def seal(previous: str, incident: IncidentId, sequence: int, at: datetime, kind: str, text: str, actor: str) -> str:
    """The hash of an entry: of the hash before it and the entry's canonical JSON."""
    content = {
        "incident": incident,
        "sequence": sequence,
        "at": at.astimezone(UTC).isoformat(timespec="microseconds"),
        "kind": kind,
        "text": text,
        "actor": actor,
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256((previous + canonical).encode()).hexdigest()


def is_unbroken(entries: Sequence[Entry], length: int, last_hash: str) -> bool:
    """Whether nothing was changed, removed, inserted or cut off since it was written."""
    previous = ""
    for number, entry in enumerate(entries, start=1):
        expected = seal(previous, entry.incident, number, entry.at, entry.kind, entry.text, entry.actor)
        if entry.sequence != number or entry.hash != expected:
            return False
        previous = entry.hash
    return len(entries) == length and previous == last_hash
