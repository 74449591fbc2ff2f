"""A partition's state as bytes: frames of msgpack, so that a large one can be written piece by piece.

A frame is four bytes of length (big endian) and one msgpack document: first the header, then up to 1,500 series each.
Fields are arrays, not maps; a new version of the layout has a new number and is read by the code that knows it.
"""

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec

from services.evaluator.domain.pending import Phase
from services.evaluator.domain.plan import PartitionPlan
from services.evaluator.domain.rules import FailedRule, WindowRule
from services.evaluator.domain.series import AnyRule, Series
from services.evaluator.domain.silence import Sight
from services.evaluator.domain.transition import rules_by_check
from services.evaluator.domain.verdicts import Breach, Key
from services.evaluator.domain.window import refill
from shared.values import CheckId, Location, RuleId

if TYPE_CHECKING:
    from services.evaluator.domain.engine import Partition

VERSION: Final = 3
SERIES_PER_PART: Final = 1500
"""About 35 ms of encoding."""


class CheckpointUnreadable(ValueError):
    """The bytes are no checkpoint of this version, or damaged: the one before it, or the log, must serve."""


class _Frame(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """Arrays are checked for their length: a field too many is another version."""


class _Sight(_Frame):
    location: Location
    seen_ns: int
    down_at_ns: int
    confused_since_ns: int
    hole_start_ns: int
    hole_end_ns: int


class _Header(_Frame):
    version: int
    series: int
    log_ns: int
    as_of: int
    restated_ns: int
    plan: PartitionPlan | None
    breaches: tuple[Breach, ...]
    revs: tuple[tuple[Key, int], ...]
    sights: tuple[_Sight, ...]


class _Step(_Frame):
    phase: Phase
    deadline_ns: int  # NEVER just fits msgpack's unsigned 64 bits
    since_ns: int
    took_s: float | None


class _Rule(_Frame):
    rule: RuleId
    level: int | None
    steps: tuple[_Step, ...]
    bits: int = 0
    ok_in_a_row: int = 0
    reason: str | None = None
    is_blind: bool = False
    times: list[int] = []
    values: list[float] = []
    begun_ns: int = 0
    newest_ns: int = 0


class _Minute(_Frame):
    watched_from_ns: int
    start_ns: int
    ok: int
    failed: int
    unknown: int
    values: list[list[float]]


class _Series(_Frame):
    location: Location
    check: CheckId
    last_due_ns: int
    known_ns: int
    is_missing: bool
    waits_from_ns: int
    silent_at_ns: int
    fed: int
    minute: _Minute
    rules: tuple[_Rule, ...]


_ENCODER: Final = msgspec.msgpack.Encoder()


def parts(partition: "Partition") -> Iterator[bytes]:
    """Give the frames one by one; the partition must not take a record in between."""
    series = [one for found in partition.series.values() for one in found.values()]
    yield _framed(_ENCODER.encode(_header(partition, len(series))))
    rest = iter(series)
    while chunk := list(islice(rest, SERIES_PER_PART)):
        yield _framed(_ENCODER.encode([_series(one) for one in chunk]))


def restore(partition: "Partition", data: bytes) -> None:
    """Fill a new partition. Raises CheckpointUnreadable."""
    try:
        frames = _frames(data)
        header = msgspec.msgpack.decode(next(frames, b""), type=_Header)
        if header.version != VERSION:
            raise CheckpointUnreadable(f"version {header.version} is not {VERSION}")
        _restore_header(partition, header)
        count = 0
        for frame in frames:
            for state in msgspec.msgpack.decode(frame, type=list[_Series]):
                _restore_series(partition, state)
                count += 1
    except (msgspec.DecodeError, KeyError, ValueError) as error:
        raise error if isinstance(error, CheckpointUnreadable) else CheckpointUnreadable(str(error)) from error
    if count != header.series:
        raise CheckpointUnreadable(f"{count} of {header.series} series")
    partition.index()


def _framed(document: bytes) -> bytes:
    return len(document).to_bytes(4, "big") + document


def _frames(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            raise CheckpointUnreadable("cut off")
        yield data[at + 4 : end]
        at = end


def _header(partition: "Partition", series: int) -> _Header:
    ledger = partition.ledger
    return _Header(
        VERSION,
        series,
        ledger.log_ns,
        ledger.as_of,
        partition.restated_ns,
        partition.plan,
        ledger.open_breaches(),
        tuple(sorted(ledger.revs.items())),
        tuple(_sight(one) for one in partition.sights.values()),
    )


def _sight(one: Sight) -> _Sight:
    return _Sight(one.location, one.seen_ns, one.down_at_ns, one.confused_since_ns, one.hole_start_ns, one.hole_end_ns)


def _restore_header(partition: "Partition", header: _Header) -> None:
    ledger, plan = partition.ledger, header.plan
    ledger.log_ns, ledger.as_of, partition.restated_ns = header.log_ns, header.as_of, header.restated_ns
    ledger.open = {breach.key: breach for breach in header.breaches}
    ledger.revs = dict(header.revs)
    partition.plan = plan
    for state in header.sights:
        sight = partition.sights[state.location] = Sight(state.location, 0, 0)
        sight.seen_ns, sight.down_at_ns = state.seen_ns, state.down_at_ns
        sight.confused_since_ns = state.confused_since_ns
        sight.hole_start_ns, sight.hole_end_ns = state.hole_start_ns, state.hole_end_ns
    if plan is None:
        return
    rules = rules_by_check(plan)
    partition.series = {location: {} for location in plan.locations}
    for check in plan.checks:
        for location in (one for one in check.locations if one in partition.sights):
            sight = partition.sights[location]
            found = partition.series[location]
            found[check.check] = partition.series_type(check, rules[check.check], sight, ledger)


def _series(series: Series) -> _Series:
    minute = series.minute
    return _Series(
        series.location,
        series.plan.check,
        series.last_due_ns,
        series.known_ns,
        series.is_missing,
        series.waits_from_ns,
        series.silent_at_ns,
        series.fed,
        _Minute(
            minute.watched_from_ns,
            minute.start_ns,
            minute.ok,
            minute.failed,
            minute.unknown,
            list(minute.values.values()),
        ),
        tuple(_rule(rule) for rule in series.rules),
    )


def _restore_series(partition: "Partition", state: _Series) -> None:
    series = partition.series[state.location][state.check]
    series.last_due_ns, series.known_ns = state.last_due_ns, state.known_ns
    series.is_missing, series.fed = state.is_missing, state.fed
    series.waits_from_ns, series.silent_at_ns = state.waits_from_ns, state.silent_at_ns
    minute, saved = series.minute, state.minute
    minute.watched_from_ns, minute.start_ns = saved.watched_from_ns, saved.start_ns
    minute.ok, minute.failed, minute.unknown = saved.ok, saved.failed, saved.unknown
    minute.values = dict(zip(series.plan.series, saved.values, strict=True))
    for rule, kept in zip(series.rules, state.rules, strict=True):
        _restore_rule(rule, kept)


def _rule(rule: AnyRule) -> _Rule:
    bands = rule.bands
    state = _Rule(
        rule.plan.rule,
        bands.level,
        tuple(_Step(one.phase, one.deadline_ns, one.since_ns, one.took_s) for one in bands.steps),
    )
    if isinstance(rule, FailedRule):
        state.bits, state.ok_in_a_row, state.reason = rule.streak.bits, rule.streak.ok_in_a_row, rule.reason
    elif isinstance(rule, WindowRule):
        state.is_blind = rule.is_blind
        state.times, state.values = rule.window.contents()
        state.begun_ns, state.newest_ns = rule.cover.begun_ns, rule.cover.newest_ns
    return state


def _restore_rule(rule: AnyRule, state: _Rule) -> None:
    if rule.plan.rule != state.rule:
        raise CheckpointUnreadable(f"rule {state.rule} where {rule.plan.rule} was expected")
    bands = rule.bands
    for step, kept in zip(bands.steps, state.steps, strict=True):
        step.become(kept.phase, kept.deadline_ns)
        step.since_ns, step.took_s = kept.since_ns, kept.took_s
    bands.restore(state.level)
    if isinstance(rule, FailedRule):
        rule.restore(state.bits, state.ok_in_a_row, state.reason)
    elif isinstance(rule, WindowRule):
        rule.is_blind = state.is_blind
        rule.cover.begun_ns, rule.cover.newest_ns = state.begun_ns, state.newest_ns
        refill(rule.window, state.times, state.values)
