"""From ALERT to CLOSED, and back."""

from dataclasses import replace

import pytest

from services.incidents.domain.acting import Override
from services.incidents.domain.change import Change
from services.incidents.domain.incident import DueKind
from shared.contracts import (
    ClearReason,
    IncidentClosed,
    IncidentEvent,
    IncidentReopened,
    IncidentResolved,
    IncidentUpdated,
    PageCancelled,
    PageKind,
    PageState,
    Stage,
    StageEntered,
)
from shared.kit.errors import Refused
from shared.values import ServiceId, Severity
from tests.unit.incidents.house import PLAN, House, key, minutes

NAME = "2026-02-20-web-down"


async def in_resolution() -> House:
    house = House()
    await house.open()
    await house.receipt(house.pages()[0], PageState.ACKNOWLEDGED)
    await house.clear(2)
    assert (await house.only()).stage is Stage.RESOLUTION
    return house


async def answer_all(house: House) -> None:
    stage = (await house.only()).stage
    for number in range(len(PLAN.stage(stage).checklist)):
        await house.acts.answer(NAME, "ana", str(number), "yes")


async def watch_well(house: House, count: int, as_of: int = 1000) -> None:
    for number in range(count):
        await house.pass_time(minutes(1))
        await house.open_set(as_of + number)


async def test_a_healed_incident_is_watched_answered_and_closed() -> None:
    house = await in_resolution()

    await watch_well(house, 30)
    assert (await house.only()).stage is Stage.RESOLUTION  # the gate is not met
    await answer_all(house)
    assert (await house.only()).stage is Stage.POST_MORTEM
    await answer_all(house)

    assert (await house.only()).stage is Stage.CLOSED
    assert {due.kind for due in (await house.only()).due} <= {DueKind.SILENCE}  # news still to be proven
    kinds = [type(m) for m in house.said]
    assert kinds.count(IncidentResolved) == kinds.count(IncidentClosed) == 1


async def test_with_the_gate_met_the_last_covered_second_ends_the_watch() -> None:
    house = await in_resolution()
    await answer_all(house)

    await watch_well(house, 29)
    assert (await house.only()).stage is Stage.RESOLUTION
    await watch_well(house, 1, as_of=2000)

    assert (await house.only()).stage is Stage.POST_MORTEM


async def test_an_uncovered_watch_never_ends() -> None:
    house = await in_resolution()
    await answer_all(house)

    await house.pass_time(minutes(600))

    assert (await house.only()).stage is Stage.RESOLUTION


async def test_events_count_without_gaps_and_name_their_stage() -> None:
    house = await in_resolution()

    events = [m for m in house.said if isinstance(m, IncidentEvent)]

    assert [m.sequence for m in events] == list(range(1, len(events) + 1))
    assert [m.stage for m in events if isinstance(m, StageEntered)] == [Stage.ASSESSMENT, Stage.RESOLUTION]
    assert {m.stage for m in events if m.watch_s == 1800} == {Stage.RESOLUTION}
    assert {m.watch_s for m in events if m.stage is not Stage.RESOLUTION} == {None}


async def test_cleared_before_anybody_acknowledged_cancels_the_pages() -> None:
    house = House()
    await house.open()
    await house.hand_over_last()

    await house.clear(2)
    await house.pass_time(minutes(30))

    assert (await house.only()).stage is Stage.RESOLUTION
    assert house.rung() == ["ana"]
    assert [m.ack_epoch for m in house.said if isinstance(m, PageCancelled)] == [1]
    assert sorted(p.addressee.text for p in house.pages(PageKind.RESOLVED)) == ["ana", "chat:#erp-launch", "mira"]
    assert house.pages(PageKind.RESOLVED)[0].title == "RESOLVED: web-down on erp-web: 5 good probes in a row"
    assert house.pages(PageKind.RESOLVED)[0].lines[0] == "Monitoring closely for 30m"


async def test_a_receipt_that_comes_after_the_end_rings_nobody() -> None:
    house = House()
    await house.open()
    await house.clear(2)

    await house.hand_over_last()
    await house.receipt(house.pages()[0], PageState.DEAD, undeliverable=True)
    await house.pass_time(minutes(60))

    assert house.rung() == ["ana"]


async def test_a_rule_that_vanished_heals_nothing_and_keeps_ringing() -> None:
    house = House()
    await house.open()
    await house.hand_over_last()

    await house.clear(2, reason=ClearReason.CONFIG)
    await house.pass_time(minutes(3))

    incident = await house.only()
    assert incident.stage is Stage.ALERT
    assert incident.needs_person
    assert house.rung() == ["ana", "joao"]
    assert "needs_person" in await house.kinds()

    await house.acts.resolve(NAME, "joao", "the rule was wrong")
    assert (await house.only()).stage is Stage.RESOLUTION


async def test_one_vanished_rule_among_healed_ones_needs_a_person_too() -> None:
    house = House()
    await house.open()
    await house.open(2, of=key("web-slow"))

    await house.clear(3, reason=ClearReason.CONFIG)
    await house.clear(4, of=key("web-slow"))

    assert (await house.only()).stage is Stage.ALERT


async def test_broken_again_during_the_watch_opens_a_new_ack_epoch_from_the_first_rung() -> None:
    house = await in_resolution()
    await house.acts.answer(NAME, "ana", "0", "yes")

    await house.open(3)

    incident = await house.only()
    assert incident.stage is Stage.RESPONSE
    assert incident.ack_epoch == 2
    assert incident.acknowledged_by is None
    assert incident.answers == ()
    assert house.rung() == ["ana", "ana"]
    assert len({page.page for page in house.pages()}) == 2
    assert any(isinstance(m, IncidentReopened) for m in house.said)

    await house.receipt(house.pages()[-1], PageState.ACKNOWLEDGED)
    await house.clear(4)
    assert len(house.pages(PageKind.RESOLVED)) == 6  # said again: it is another epoch


async def test_an_acknowledgement_of_the_old_epoch_does_not_stop_the_new_one() -> None:
    house = House()
    await house.open()
    await house.clear(2)
    await house.open(3)

    await house.receipt(house.pages()[0], PageState.ACKNOWLEDGED)

    assert (await house.only()).acknowledged_by is None
    assert "late_acknowledgement" in await house.kinds()


async def test_a_breach_after_the_resolution_is_a_new_incident() -> None:
    house = await in_resolution()
    await house.acts.advance(NAME, "mira", "go", Override("seen enough"))
    assert (await house.only()).stage is Stage.POST_MORTEM

    await house.open(3)

    newest, older = await house.store.newest("all", 10)
    assert newest.name == f"{NAME}-2"
    assert newest.stage is Stage.ALERT
    assert older.stage is Stage.POST_MORTEM
    assert [breach.is_open for breach in older.breaches] == [False]


async def test_what_is_seen_broken_cannot_be_declared_mended() -> None:
    house = House()
    await house.open()
    await house.acts.acknowledge(NAME, "ana")
    await house.acts.advance(NAME, "ana", "assessed", None)

    with pytest.raises(Refused, match="still open: web-down"):
        await house.acts.resolve(NAME, "ana", "mended")
    with pytest.raises(Refused, match="still open"):
        await house.acts.advance(NAME, "mira", "go on", Override("I say so"))

    assert (await house.only()).stage is Stage.RESPONSE


async def test_a_gate_is_passed_unmet_only_with_a_name_and_a_reason() -> None:
    house = await in_resolution()

    with pytest.raises(Refused, match="unanswered: System operational"):
        await house.acts.advance(NAME, "ana", "", None)
    with pytest.raises(Refused, match="needs a reason"):
        await house.acts.advance(NAME, "mira", "", Override(" "))
    await house.acts.advance(NAME, "mira", "", Override("the board decided"))

    assert (await house.only()).stage is Stage.POST_MORTEM
    entry = next(e for e in await house.store.timeline((await house.only()).id) if e.kind == "gate_overridden")
    assert entry.actor == "mira"
    assert "the board decided" in entry.text
    assert "watched well for 0 s of 1800 s" in entry.text


async def test_an_acknowledgement_by_the_api_is_told_to_the_notifier() -> None:
    house = House()
    await house.open()

    await house.acts.acknowledge(NAME, "joao")
    await house.acts.acknowledge(NAME, "ana")

    assert [(m.ack_epoch, m.reason) for m in house.said if isinstance(m, PageCancelled)] == [
        (1, "acknowledged by joao (api)")
    ]
    assert (await house.only()).acknowledged_by == "joao"
    assert "also_acknowledged" in await house.kinds()


async def test_a_stage_that_takes_too_long_is_said_once_to_managers() -> None:
    house = House()
    await house.open(severity=Severity.HIGH)

    await house.pass_time(minutes(30))

    said = [m for m in house.said if isinstance(m, IncidentUpdated) and m.what == "clock_ran_out"]
    assert len(said) == 1
    overdue = [p.addressee.text for p in house.pages(PageKind.UPDATE) if p.title.startswith("OVERDUE")]
    assert overdue == ["mira"]


async def test_nobody_is_told_twice_when_a_status_update_falls_due_with_the_stages_end() -> None:
    house = House()
    await house.open()
    before = len(house.pages(PageKind.UPDATE))

    await house.pass_time(minutes(5))

    told = [(p.addressee.text, p.title.startswith("OVERDUE")) for p in house.pages(PageKind.UPDATE)[before:]]
    assert len(told) == len({who for who, _ in told}) > 1
    assert {is_overdue for _, is_overdue in told} == {True}


async def test_status_is_said_every_five_minutes_while_critical_and_not_after() -> None:
    house = House()
    await house.open()
    await house.receipt(house.pages()[0], PageState.ACKNOWLEDGED)

    await house.pass_time(minutes(16))
    await house.clear(2)
    await house.pass_time(minutes(60))

    assert (await house.kinds()).count("status_update") == 3


async def test_after_an_outage_one_status_update_is_sent_and_not_twelve() -> None:
    house = House()
    await house.open()

    await house.sleep_through(minutes(60))

    assert (await house.kinds()).count("status_update") == 1


async def test_a_person_lowers_the_severity_and_all_who_are_told_hear_it() -> None:
    house = House()
    await house.open()

    await house.acts.judge_severity(NAME, "ana", Severity.MEDIUM, "one user only")

    assert (await house.only()).severity is Severity.MEDIUM
    assert house.rung() == ["ana"]
    assert any("one user only" in page.title for page in house.pages(PageKind.UPDATE))


async def test_a_person_raises_the_severity_and_it_rings_again() -> None:
    house = House()
    await house.open(severity=Severity.HIGH)

    await house.acts.judge_severity(NAME, "joao", Severity.CRITICAL, "nobody can log in")

    assert house.rung() == ["ana", "ana"]


async def test_a_checklist_item_is_named_by_number_or_words() -> None:
    house = await in_resolution()

    await house.acts.answer(NAME, "ana", "Alerts cleared?", "yes")
    await house.acts.answer(NAME, "ana", "0", "yes")
    await house.acts.answer(NAME, "joao", "0", "no, wait")

    incident = await house.only()
    assert {(a.question, a.answer, a.by) for a in incident.answers} == {
        ("Alerts cleared?", "yes", "ana"),
        ("System operational?", "no, wait", "joao"),
    }
    with pytest.raises(Refused, match="not on the checklist"):
        await house.acts.answer(NAME, "ana", "2", "yes")


async def test_nothing_can_be_done_to_a_closed_incident() -> None:
    house = await in_resolution()
    await house.acts.advance(NAME, "mira", "", Override("enough"))
    await house.acts.advance(NAME, "mira", "", Override("enough"))
    before = house.said

    for act in (
        house.acts.acknowledge(NAME, "ana"),
        house.acts.advance(NAME, "ana", "", None),
        house.acts.resolve(NAME, "ana", "again"),
        house.acts.judge_severity(NAME, "ana", Severity.LOW, "over"),
    ):
        with pytest.raises(Refused):
            await act

    assert house.said == before


async def test_a_post_mortem_without_questions_is_closed_by_hand() -> None:
    house = await in_resolution()
    stages = {**PLAN.stages, Stage.POST_MORTEM: replace(PLAN.stage(Stage.POST_MORTEM), checklist=())}
    house.current_plan = replace(PLAN, stages=stages)

    await house.acts.advance(NAME, "mira", "", Override("enough"))
    assert (await house.only()).stage is Stage.POST_MORTEM
    await house.acts.advance(NAME, "ana", "nothing to learn", None)

    assert (await house.only()).stage is Stage.CLOSED


async def test_a_gate_on_alert_holds_back_advancing_and_not_acknowledging() -> None:
    house = House()
    stages = {**PLAN.stages, Stage.ALERT: replace(PLAN.stage(Stage.ALERT), checklist=("Told?",), is_gated=True)}
    house.current_plan = replace(PLAN, stages=stages)
    await house.open()

    with pytest.raises(Refused, match="unanswered: Told"):
        await house.acts.advance(NAME, "ana", "", None)
    await house.acts.acknowledge(NAME, "ana")

    assert (await house.only()).stage is Stage.ASSESSMENT


async def test_an_overridden_gate_on_alert_is_on_the_timeline() -> None:
    house = House()
    stages = {**PLAN.stages, Stage.ALERT: replace(PLAN.stage(Stage.ALERT), checklist=("Told?",), is_gated=True)}
    house.current_plan = replace(PLAN, stages=stages)
    await house.open()

    await house.acts.advance(NAME, "mira", "", Override("no time"))

    assert "gate_overridden" in await house.kinds()


async def test_one_incident_that_cannot_be_done_does_not_hold_up_the_others() -> None:
    house = House()
    await house.open(service=ServiceId("erp-db"))
    house.clock.advance(minutes(0.1))
    await house.open()
    older = (await house.store.newest("all", 2))[1]
    async with house.store.alone_in(older.scope) as work:
        # Stands for any bug of ours.
        await work.keep(Change(older, PLAN, house.clock.now()).set(timeline_length="broken"))
    house.clock.advance(minutes(10))

    with pytest.raises(TypeError):
        await house.handlers.do_due(house.clock.now())

    assert (await house.store.newest("all", 1))[0].due != ()
    assert any(m.service == "erp-web" and m.issue == 1 for m in house.requests())
