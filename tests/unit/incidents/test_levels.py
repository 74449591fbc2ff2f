"""Levels, not edges: lost, doubled, overtaken messages end where the orderly ones do."""

from dataclasses import dataclass
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from services.incidents.domain.stages import OPEN_STAGES
from services.incidents.domain.timeline import is_unbroken
from shared.contracts import BreachKey, ClearReason, OpenBreach, Stage
from shared.values import RuleId, Severity
from tests.unit.incidents.house import PLAN, House, key, stated

KEYS = (key("web-down"), key("web-slow"), key("web-down", "web-metrics"))
SYMPTOMS = {KEYS[0]: "web-down", KEYS[1]: "slowness", KEYS[2]: "web-down"}


@dataclass(frozen=True)
class Said:
    """One statement of the evaluator: a verdict on a key, or (without one) an open set."""

    rev: int
    key: BreachKey | None = None
    breach: OpenBreach | None = None
    open_now: tuple[OpenBreach, ...] = ()


def breach_of(which: BreachKey, rev: int, severity: Severity) -> OpenBreach:
    return stated(rev, of=which, severity=severity, symptom=SYMPTOMS[which])


@st.composite
def histories(draw: st.DrawFn) -> list[Said]:
    """What an evaluator says, in order: each key opens, changes, clears; open sets in between; one at the end."""
    held: dict[BreachKey, OpenBreach] = {}
    history: list[Said] = []
    for step in range(draw(st.integers(1, 12))):
        rev = 10 * (step + 1)
        which = draw(st.sampled_from((*KEYS, None)))
        if which is None:
            history.append(Said(rev, open_now=tuple(held.values())))
        elif which in held and draw(st.booleans()):
            del held[which]
            history.append(Said(rev, which))
        else:
            held[which] = breach_of(which, rev, draw(st.sampled_from(list(Severity))))
            history.append(Said(rev, which, held[which]))
    history.append(Said(10_000, open_now=tuple(held.values())))
    return history


async def tell(house: House, said: Said) -> None:
    if said.key is None:
        await house.open_set(said.rev, said.open_now)
    elif said.breach is not None:
        await house.open(said.rev, of=said.key, severity=said.breach.severity, symptom=said.breach.symptom)
    else:
        await house.clear(said.rev, of=said.key)


async def end_state(house: House) -> dict[BreachKey, Severity | None]:
    """What is open, after the moment in which absences are believed; checks what must always hold."""
    await house.pass_time(timedelta(seconds=30))
    incidents = await house.store.newest("all", 100)
    still_open = [(one.service, one.symptom) for one in incidents if one.stage in OPEN_STAGES]
    assert len(still_open) == len(set(still_open)), "two open incidents for one symptom"
    for incident in incidents:
        entries = await house.store.timeline(incident.id)
        assert is_unbroken(entries, incident.timeline_length, incident.timeline_hash)
        if incident.stage in {Stage.ALERT, Stage.ASSESSMENT, Stage.RESPONSE}:
            assert incident.open_breaches, "nothing is open and yet it is not healed"
        else:
            assert not incident.open_breaches
    breaches = [breach for incident in incidents for breach in incident.open_breaches]
    assert len(breaches) == len({breach.key for breach in breaches})
    return {breach.key: breach.stated.severity if breach.stated else None for breach in breaches}


@settings(deadline=None, max_examples=20)
@given(histories(), st.data())
async def test_any_order_and_any_doubling_end_the_same(history: list[Said], data: st.DataObject) -> None:
    orderly, shuffled = House(), House()
    for said in history:
        await tell(orderly, said)
    doubled = data.draw(st.lists(st.sampled_from(history), max_size=6))
    for said in data.draw(st.permutations([*history, *doubled])):
        await tell(shuffled, said)

    assert await end_state(shuffled) == await end_state(orderly)


@settings(deadline=None, max_examples=20)
@given(histories(), st.data())
async def test_lost_messages_heal_with_the_next_open_set(history: list[Said], data: st.DataObject) -> None:
    orderly, lossy = House(), House()
    for said in history:
        await tell(orderly, said)
    arrived = [said for said in history[:-1] if data.draw(st.booleans())]
    for said in [*data.draw(st.permutations(arrived)), history[-1]]:
        await tell(lossy, said)

    assert await end_state(lossy) == await end_state(orderly)


async def test_an_opened_after_its_cleared_opens_nothing() -> None:
    house = House()

    await house.clear(2)
    await house.open(1)

    assert await house.store.newest("all", 10) == []
    assert house.said == ()


async def test_the_same_opened_twice_pages_once() -> None:
    house = House()

    await house.open()
    await house.open()

    assert house.rung() == ["ana"]


async def test_an_open_set_opens_what_was_missed() -> None:
    house = House()

    await house.open_set(5, [stated(4)])
    await house.open(4)

    assert house.rung() == ["ana"]


async def test_an_open_set_clears_only_its_own_source_and_only_what_is_not_newer() -> None:
    house = House()
    await house.open(7)
    await house.open(2, source="intake", of=key("web-slow"), symptom="slow")

    await house.open_set(6, [])
    await house.pass_time(timedelta(seconds=20))

    assert {one.stage for one in await house.store.newest("all", 10)} == {Stage.ALERT}


async def test_an_open_set_leaves_a_moment_to_the_message_that_says_why() -> None:
    house = House()
    await house.open(1)

    await house.open_set(5, [])
    await house.clear(4, reason=ClearReason.CONFIG)
    await house.pass_time(timedelta(seconds=20))

    incident = await house.only()
    assert incident.stage is Stage.ALERT
    assert incident.needs_person


async def test_what_an_open_set_misses_of_a_rule_that_is_gone_has_not_healed() -> None:
    house = House()
    await house.open(1, of=key("removed-rule"))
    assert RuleId("removed-rule") not in PLAN.runbooks

    await house.open_set(5, [])
    await house.pass_time(timedelta(seconds=20))

    assert (await house.only()).needs_person


async def test_what_is_listed_again_was_never_gone() -> None:
    house = House()
    await house.open(1)

    await house.open_set(5, [])
    await house.open_set(6, [stated(1)])
    await house.pass_time(timedelta(seconds=20))

    assert (await house.only()).stage is Stage.ALERT


async def test_an_older_open_set_is_passed_over() -> None:
    house = House()
    await house.open_set(9, [])

    await house.open_set(5, [stated(4)])

    assert await house.store.newest("all", 10) == []
