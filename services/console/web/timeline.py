"""The lines of a timeline as the template shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from services.console.adapters.incidents_api import Entry
from services.console.web.words import clock_time

_LOUD: Final = ("undeliverable", "clock_ran_out", "reopened")


@dataclass(frozen=True)
class EntryView:
    """One line."""

    at: str
    kind: str
    text: str
    actor: str | None
    tone: str


def entry_views(entries: Sequence[Entry], zone: tzinfo, now: datetime) -> list[EntryView]:
    """Words for the lines; an instant that cannot be read is shown as it came."""
    return [
        EntryView(_at(one.at, zone, now), one.kind.replace("_", " ").replace("-", " "), one.text, one.actor, _tone(one))
        for one in entries
    ]


def _tone(one: Entry) -> str:
    return "bad" if one.kind in _LOUD else ""


def _at(text: str, zone: tzinfo, now: datetime) -> str:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return clock_time(at, zone, now) if at.tzinfo else text
