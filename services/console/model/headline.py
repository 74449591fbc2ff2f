"""The first line of the page, which says whether anything is wrong."""

from dataclasses import dataclass
from enum import StrEnum


class Tone(StrEnum):
    """How loud the headline is."""

    BAD = "bad"
    WARN = "warn"
    OK = "ok"
    WAITING = "waiting"


@dataclass(frozen=True)
class Headline:
    """One sentence, and what else there is to say."""

    tone: Tone
    title: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Counts:
    """What the headline is made of; all counts are of things that need somebody now."""

    is_configured: bool
    is_loaded: bool
    is_deaf: bool
    """The bus is away: all that is shown may be old."""
    checks: int
    incidents: int
    unacknowledged: int
    undeliverable: int
    breaches: int
    failed: int
    unknown: int
    prober_down: int
    stale: int
    waiting: int
    silent_judges: int
    """Sources of verdicts that have not spoken for minutes."""


def headline_of(counts: Counts) -> Headline:
    """Say the worst thing first. Pure: the same counts always give the same words."""
    if not counts.is_loaded:
        return Headline(Tone.WAITING, "Reading what happened so far …")
    if counts.incidents:
        return _incidents(counts)
    if not counts.is_configured:
        return Headline(
            Tone.WAITING, "Nothing is watched yet", ("No configuration has been applied: run “hypercare apply”.",)
        )
    if counts.breaches:
        return Headline(Tone.BAD, f"{_count(counts.breaches, 'breach', 'breaches')} open", _doubts(counts))
    return _well(counts)


def _well(counts: Counts) -> Headline:
    doubts = _doubts(counts)
    if counts.is_deaf:
        return Headline(Tone.WARN, "No news: the bus is away", ("What you see may be old", *doubts[1:]))
    if doubts:
        return Headline(Tone.WARN, doubts[0], doubts[1:])
    if counts.waiting == counts.checks:
        return Headline(Tone.WAITING, "Waiting for the first results")
    more = (f"{_count(counts.waiting, 'check has', 'checks have')} not reported yet",) if counts.waiting else ()
    return Headline(Tone.OK, "Everything is fine", (*more, f"{_count(counts.checks, 'check', 'checks')} watched"))


def _incidents(counts: Counts) -> Headline:
    open_now = f"{_count(counts.incidents, 'incident', 'incidents')} open"
    title = f"{open_now}, {_unacknowledged(counts)}" if counts.unacknowledged else open_now
    lost = f"{_count(counts.undeliverable, 'page', 'pages')} could not be delivered" if counts.undeliverable else None
    breaches = f"{_count(counts.breaches, 'breach', 'breaches')} open" if counts.breaches else "all breaches cleared"
    details = [lost, breaches, *_doubts(counts)]
    return Headline(Tone.BAD, title, tuple(detail for detail in details if detail))


def _unacknowledged(counts: Counts) -> str:
    if counts.unacknowledged == counts.incidents:
        return "not acknowledged" if counts.incidents == 1 else "none acknowledged"
    return f"{counts.unacknowledged} not acknowledged"


def _doubts(counts: Counts) -> tuple[str, ...]:
    said = (
        (counts.failed, "check fails", "checks fail"),
        (counts.prober_down, "check is blind: its prober is silent", "checks are blind: their prober is silent"),
        (counts.unknown, "result is unknown", "results are unknown"),
        (counts.stale, "check has no fresh result", "checks have no fresh result"),
        (counts.silent_judges, "evaluator partition is silent", "evaluator partitions are silent"),
    )
    deaf = ("No news from the bus: what you see may be old",) if counts.is_deaf else ()
    return (*deaf, *(_count(number, one, many) for number, one, many in said if number))


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
