"""The lines of a timeline as the template shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

from services.console.adapters.incidents_api import Entry, Watch
from services.console.web.words import clock_time, millis, span

_LOUD: Final = ("undeliverable", "clock_ran_out", "reopened")


@dataclass(frozen=True)
class EntryView:
    """One line."""

    at: str
    kind: str
    text: str
    actor: str | None
    tone: str


@dataclass(frozen=True)
class WatchView:
    """The watch of RESOLUTION: what is still missing, and when it is over if all stays well."""

    needed: str
    covered: str
    left: str
    until_ms: int
    is_over: bool


def watch_view(watch: Watch | None, now: datetime) -> WatchView | None:
    """Words for the watch; None where there is none."""
    if watch is None:
        return None
    needed, covered = timedelta(seconds=watch.needed_s), timedelta(seconds=watch.covered_s)
    left = max(needed - covered, timedelta())
    return WatchView(span(needed), span(covered), span(left), millis(now + left), is_over=not left)


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
