"""Whatever happens in whatever order, what must always hold holds."""

import contextlib
from collections.abc import Awaitable, Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from services.incidents.domain.acting import Override
from services.incidents.domain.incident import DueKind, Incident
from services.incidents.domain.stages import OPEN_STAGES, UNRESOLVED_STAGES
from services.incidents.domain.timeline import is_unbroken
from shared.contracts import ClearReason, IncidentEvent, PageRequested, PageState, Stage
from shared.kit.errors import Refused
from shared.values import ServiceId, Severity
from tests.unit.incidents.house import WEB, House, key, minutes, silent, stated

Deed = Callable[[House, int], Awaitable[None]]
KEYS = (key("web-down"), key("web-slow"))
SERVICES = (WEB, ServiceId("erp-db"))


async def _opened(house: House, rev: int) -> None:
    await house.open(rev, of=KEYS[rev % 2], severity=list(Severity)[rev % 3])


async def _changed(house: House, rev: int) -> None:
    await house.change(rev, list(Severity)[rev % 4])


async def _cleared(house: House, rev: int) -> None:
    await house.clear(rev, of=KEYS[rev % 2])


async def _removed(house: House, rev: int) -> None:
    await house.clear(rev, of=KEYS[rev % 2], reason=ClearReason.CONFIG)


async def _silenced(house: House, rev: int) -> None:
    await house.open(rev, service=SERVICES[rev % 2], of=silent(), symptom="prober-down")


async def _heard_again(house: House, rev: int) -> None:
    reason = list(ClearReason)[rev // 2 % 2]
    await house.clear(rev, service=SERVICES[rev % 2], of=silent(), reason=reason)


async def _nothing_open(house: House, rev: int) -> None:
    await house.open_set(rev, [])


async def _listed(house: House, rev: int) -> None:
    await house.open_set(rev, [stated(rev, of=KEYS[0])], services=SERVICES)


async def _receipt(house: House, rev: int) -> None:
    if pages := house.requests():
        state = list(PageState)[rev % len(PageState)]
        await house.receipt(pages[rev % len(pages)], state, undeliverable=state is PageState.DEAD)


async def _time(house: House, rev: int) -> None:
    await house.pass_time(minutes(rev % 7))


async def _outage(house: House, rev: int) -> None:
    await house.sleep_through(minutes(rev % 90))


def _acts(house: House, name: str, salt: int) -> tuple[Callable[[], Awaitable[Incident]], ...]:
    acts = house.acts
    return (
        lambda: acts.acknowledge(name, "joao"),
        lambda: acts.advance(name, "ana", "", None),
        lambda: acts.advance(name, "mira", "", Override("because")),
        lambda: acts.resolve(name, "ana", "mended"),
        lambda: acts.answer(name, "ana", str(salt % 3), "yes"),
        lambda: acts.judge_severity(name, "ana", list(Severity)[salt % 4], "seen"),
        lambda: acts.note(name, "ana", "hm"),
    )


async def _by_hand(house: House, rev: int) -> None:
    for incident in await house.store.newest("all", 1):
        choices = _acts(house, incident.name, rev)
        with contextlib.suppress(Refused):
            await choices[rev % len(choices)]()


MESSAGES: tuple[Deed, ...] = (_opened, _changed, _cleared, _removed, _nothing_open, _listed, _silenced, _heard_again)
DEEDS: tuple[Deed, ...] = (*MESSAGES, _receipt, _receipt, _time, _outage, _by_hand, _by_hand)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(st.sampled_from(DEEDS), st.integers(0, 1000)), min_size=5, max_size=40))
async def test_what_must_always_hold_holds_after_every_step(story: list[tuple[Deed, int]]) -> None:
    house = House()
    for step, (deed, salt) in enumerate(story):
        await deed(house, 1001 * (step + 1) + salt)  # revs grow; the salt chooses

        for incident in await house.store.newest("all", 100):
            _check(incident)
            assert is_unbroken(
                await house.store.timeline(incident.id), incident.timeline_length, incident.timeline_hash
            )
        _check_messages(house)


def _check(it: Incident) -> None:
    if it.stage in {Stage.RESOLUTION, Stage.POST_MORTEM, Stage.CLOSED}:
        assert not it.open_breaches
    if it.stage in UNRESOLVED_STAGES:
        assert it.open_breaches or it.needs_person
    rings = it.due_of(DueKind.RUNG) is not None
    if it.acknowledged_by is not None or it.stage not in UNRESOLVED_STAGES:
        assert not rings
    assert (it.stage is Stage.CLOSED) == (it.closed_at is not None)
    assert (it.watch is None) == (it.stage in UNRESOLVED_STAGES)


def _check_messages(house: House) -> None:
    asked = [(m.page, m.issue) for m in house.said if isinstance(m, PageRequested)]
    assert len(asked) == len(set(asked)), "a page was asked for twice under one name"
    for incident in {m.incident for m in house.said if isinstance(m, IncidentEvent)}:
        sequences = [m.sequence for m in house.said if isinstance(m, IncidentEvent) and m.incident == incident]
        assert sequences == list(range(1, len(sequences) + 1))


def test_the_open_stages_are_the_unresolved_ones_and_the_watch() -> None:
    assert set(OPEN_STAGES) == {*UNRESOLVED_STAGES, Stage.RESOLUTION}
