"""What one more statement about a breach means: levels, not edges, so that lost, doubled and overtaken ones heal.

A statement is older when its `rev` is not above the newest we hold of the key, or not above the `as_of` of an open set
that did not list it. For a key never heard of, the source's last open set (`watermark`) says that it was closed then.
"""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from services.incidents.domain.incident import Breach
from shared.contracts import BreachKey, ClearReason, OpenBreach
from shared.values import ServiceId


class Verdict(StrEnum):
    """What to do, and why."""

    OLDER = "older"
    OPENED = "opened"
    CHANGED = "changed"
    CLEARED = "cleared"
    REMEMBERED = "remembered"
    """An end whose beginning was never heard: kept, so that the beginning opens nothing when it comes."""
    ABSENT = "absent"
    LISTED = "listed"
    """Was absent from one open set, and is in a newer one."""


Ruling = tuple[Verdict, Breach | None]


def opened(known: Breach | None, watermark: int, source: str, stated: OpenBreach, now: datetime) -> Ruling:
    """`opened` or `changed`, from either message or from an open set that lists a newer rev."""
    if stated.rev <= _newest(known, watermark):
        return Verdict.OLDER, None
    verdict = Verdict.CHANGED if known and known.is_open else Verdict.OPENED
    incident = known.incident if known and known.is_open else None
    breach = _breach(source, stated.service, stated.key, stated.rev)
    return verdict, replace(breach, is_open=True, stated=stated, incident=incident, changed_at=now)


def cleared(
    known: Breach | None,
    watermark: int,
    source: str,
    service: ServiceId,
    key: BreachKey,
    rev: int,
    reason: ClearReason,
    now: datetime,
) -> Ruling:
    """The source says that it has ended, and why."""
    if known is None:
        if rev <= watermark:
            return Verdict.OLDER, None
        return Verdict.REMEMBERED, replace(_breach(source, service, key, rev), ended=reason, changed_at=now)
    if rev <= known.rev:
        return Verdict.OLDER, None
    closed = replace(known, rev=max(rev, known.absent_as_of or 0), is_open=False, absent_as_of=None)
    if known.is_open:
        return Verdict.CLEARED, replace(closed, ended=reason, changed_at=now)
    return Verdict.REMEMBERED, closed


def listed(known: Breach | None, as_of: int, source: str, stated: OpenBreach, now: datetime) -> Ruling:
    """An open set lists it; the set itself must be newer than the source's last one."""
    verdict, breach = opened(known, 0, source, stated, now)
    if breach is not None or known is None:
        return verdict, breach
    if known.is_open and known.absent_as_of is not None and as_of > known.absent_as_of:
        return Verdict.LISTED, replace(known, absent_as_of=None)
    if not known.is_open and as_of > known.rev:
        # We hold it closed as of an earlier moment (an open set said so at the very instant it opened).
        return Verdict.OPENED, replace(
            known, rev=as_of, is_open=True, stated=stated, ended=None, incident=None, changed_at=now
        )
    return Verdict.OLDER, None


def absent(known: Breach, as_of: int) -> Ruling:
    """An open set does not list it. Only what was said up to `as_of` can be contradicted."""
    if not known.is_open or known.rev > as_of or as_of <= (known.absent_as_of or 0):
        return Verdict.OLDER, None
    return Verdict.ABSENT, replace(known, absent_as_of=as_of)


def believe_absent(known: Breach, *, is_configured: bool, now: datetime) -> Breach:
    """Its own message has not come: close it. A rule that is no longer configured has not healed."""
    reason = ClearReason.HEALED if is_configured else ClearReason.CONFIG
    as_of = known.absent_as_of or known.rev
    return replace(known, rev=as_of, is_open=False, absent_as_of=None, ended=reason, changed_at=now)


def _newest(known: Breach | None, watermark: int) -> int:
    return watermark if known is None else max(known.rev, known.absent_as_of or 0)


def _breach(source: str, service: ServiceId, key: BreachKey, rev: int) -> Breach:
    return Breach(source, service, key.rule, key.check, key.location, rev, is_open=False)
