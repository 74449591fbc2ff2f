"""Who is rung, and when."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.incidents.domain.escalation import rung_at
from services.incidents.domain.plan import Escalation, Policy, Step
from shared.contracts import IncidentUpdated, PageCancelled, PageKind, PageState, Stage
from shared.values import PersonId, ServiceId, Severity
from tests.unit.incidents.house import (
    ANA,
    JOAO,
    LI,
    MIRA,
    PLAN,
    SOURCE,
    WEB,
    House,
    key,
    minutes,
    stated,
    without,
)


async def test_the_first_rung_is_rung_at_once_and_the_others_are_told() -> None:
    house = House()

    await house.open()

    assert house.rung() == ["ana"]
    assert house.pages()[0].title == "CRITICAL INCIDENT: erp-web: 2 of the last 3 probes failed"
    told = house.pages(PageKind.UPDATE)
    assert [page.addressee.text for page in told] == ["chat:#erp-launch", "mira"]
    assert told[0].title == "CRITICAL INCIDENT: 2 of the last 3 probes failed"


async def test_the_next_rung_counts_from_the_hand_over_not_from_the_request() -> None:
    house = House()
    await house.open()
    await house.pass_time(minutes(2))
    await house.hand_over_last()

    await house.pass_time(minutes(2.9))
    assert house.rung() == ["ana"]

    await house.pass_time(minutes(0.2))
    assert house.rung() == ["ana", "joao"]


async def test_without_any_receipt_the_page_is_requested_again_and_nobody_else_is_rung() -> None:
    house = House()
    await house.open()

    await house.pass_time(minutes(4))

    assert house.rung() == ["ana"]
    asked = [request for request in house.requests() if request.kind is PageKind.PAGE]
    assert [request.issue for request in asked] == [0, 1, 2, 3]  # after 30 s, then 60, then 120
    assert len({request.msg_id for request in asked}) == 4
    assert len({request.page for request in asked}) == 1


async def test_a_receipt_ends_the_repeats() -> None:
    house = House()
    await house.open()
    await house.receipt(house.pages()[0], PageState.QUEUED)

    await house.pass_time(minutes(2))

    assert [request.issue for request in house.requests() if request.kind is PageKind.PAGE] == [0]


async def test_a_page_that_stays_queued_gives_way_a_minute_after_its_wait() -> None:
    house = House()
    await house.open()
    await house.receipt(house.pages()[0], PageState.QUEUED)

    await house.pass_time(minutes(3.9))
    assert house.rung() == ["ana"]
    await house.pass_time(minutes(0.2))

    assert house.rung() == ["ana", "joao"]


async def test_an_undeliverable_page_rings_the_next_at_once_and_shows_red() -> None:
    house = House()
    await house.open()

    await house.receipt(house.pages()[0], PageState.DEAD, undeliverable=True, reason="mailbox full")

    assert house.rung() == ["ana", "joao"]
    assert (await house.only()).undeliverable == 1
    updated = [m for m in house.said if isinstance(m, IncidentUpdated) and m.what == "undeliverable"]
    assert [m.undeliverable for m in updated] == [1]


async def test_what_is_undeliverable_after_its_hand_over_is_taken_in_too() -> None:
    house = House()
    await house.open()
    await house.hand_over_last()

    await house.receipt(house.pages()[0], PageState.DEAD, undeliverable=True)

    assert house.rung() == ["ana", "joao"]


async def test_of_two_on_a_rung_one_reached_is_enough() -> None:
    policy = Policy((Step((ANA, JOAO), minutes(3)), Step((LI,), None)))
    house = House(plan=replace(PLAN, escalations={"erp": Escalation({}, default=policy)}))
    await house.open()
    first, second = house.pages()

    await house.receipt(first, PageState.DEAD, undeliverable=True)
    assert house.rung() == ["ana", "joao"]
    await house.receipt(second, PageState.DEAD, undeliverable=True)

    assert house.rung() == ["ana", "joao", "li"]


async def test_the_policy_is_repeated_as_asked_and_then_says_that_nobody_answers() -> None:
    house = House()
    await house.open()
    for _ in range(6):
        await house.hand_over_last()
        await house.pass_time(minutes(6))

    assert house.rung() == ["ana", "joao", "mira"] * 2
    assert (await house.only()).is_exhausted
    assert any(p.title.startswith("NOBODY ANSWERS") for p in house.pages(PageKind.UPDATE))
    assert len({page.page for page in house.pages()}) == 6


async def test_an_acknowledgement_ends_the_chain() -> None:
    house = House()
    await house.open()
    await house.hand_over_last()

    await house.receipt(house.pages()[0], PageState.ACKNOWLEDGED)
    await house.pass_time(minutes(60))

    incident = await house.only()
    assert house.rung() == ["ana"]
    assert incident.acknowledged_by == "ana"
    assert incident.stage is Stage.ASSESSMENT
    assert not any(isinstance(m, PageCancelled) for m in house.said)  # the notifier stopped them itself


async def test_after_an_outage_one_rung_is_rung_and_not_three() -> None:
    house = House()
    await house.open()
    await house.hand_over_last()
    await house.open_set(2, [stated(1)])

    await house.sleep_through(minutes(60))
    assert house.rung() == ["ana"]  # it waits for word that the breach is still there
    await house.open_set(3, [stated(1)])
    await house.do_due()

    assert house.rung() == ["ana", "joao"]


async def test_word_of_the_time_after_the_rung_was_due_is_proof_enough() -> None:
    house = House()
    await house.open()
    await house.hand_over_last()
    house.clock.advance(minutes(59))
    await house.open_set(2, [stated(1)])
    house.clock.advance(minutes(1))

    await house.do_due()

    assert house.rung() == ["ana", "joao"]


async def test_a_late_rung_waits_ninety_seconds_for_word_at_most() -> None:
    house = House()
    await house.open()
    await house.hand_over_last()
    await house.sleep_through(minutes(60))

    await house.pass_time(timedelta(seconds=89))
    assert house.rung() == ["ana"]
    await house.pass_time(timedelta(seconds=1))

    assert house.rung() == ["ana", "joao"]


async def test_a_late_rung_is_not_rung_for_what_has_cleared_meanwhile() -> None:
    house = House()
    await house.open()
    await house.hand_over_last()
    await house.sleep_through(minutes(60))

    await house.open_set(9, [])
    await house.pass_time(minutes(5))

    assert house.rung() == ["ana"]
    assert (await house.only()).stage is Stage.RESOLUTION


@pytest.mark.parametrize(
    ("plan", "people"),
    [
        (without(PLAN, ANA), (LI,)),
        (without(PLAN, ANA, LI), (MIRA,)),
        (without(PLAN, ANA, LI, MIRA), (JOAO,)),
        (replace(PLAN, services={}), (MIRA,)),
    ],
)
def test_who_is_gone_is_replaced_and_never_by_nobody(plan: object, people: tuple[PersonId, ...]) -> None:
    rung = rung_at(plan, [WEB], Severity.CRITICAL, 0)  # type: ignore[arg-type]  # the parameters' union

    assert rung is not None
    assert rung.people == people
    assert rung.is_stand_in


async def test_a_stand_in_is_on_the_timeline() -> None:
    house = House(plan=without(PLAN, ANA))

    await house.open()

    assert house.rung() == ["li"]
    assert "stand_in" in await house.kinds()


async def test_worse_rings_again_from_the_first_rung_of_the_worse_policy() -> None:
    house = House()
    await house.open(severity=Severity.HIGH)
    await house.hand_over_last()
    await house.pass_time(minutes(10))
    assert house.rung() == ["ana", "joao", "li"]

    await house.change(2, Severity.CRITICAL)

    assert house.rung() == ["ana", "joao", "li", "ana"]
    assert len({page.page for page in house.pages()}) == 4
    await house.hand_over_last()
    await house.pass_time(minutes(3))
    assert house.rung()[-1] == "joao"


async def test_worse_after_the_acknowledgement_rings_nobody_and_tells_who_has_it() -> None:
    house = House()
    await house.open(severity=Severity.HIGH)
    await house.receipt(house.pages()[0], PageState.ACKNOWLEDGED)

    await house.change(2, Severity.CRITICAL)

    assert house.rung() == ["ana"]
    told = [p.addressee.text for p in house.pages(PageKind.UPDATE) if p.title.startswith("WORSE")]
    assert sorted(told) == ["ana", "chat:#erp-launch", "mira"]
    assert (await house.only()).severity is Severity.CRITICAL


async def test_better_lowers_nothing() -> None:
    house = House()
    await house.open()

    await house.change(2, Severity.MEDIUM)

    assert (await house.only()).severity is Severity.CRITICAL
    assert "breach_changed" in await house.kinds()


async def test_a_second_breach_of_the_symptom_joins_and_rings_nobody() -> None:
    house = House()
    await house.open()

    await house.open(2, of=key("web-slow"), source="evaluator-8")

    assert house.rung() == ["ana"]
    assert len((await house.only()).open_breaches) == 2
    assert SOURCE != "evaluator-8"


async def test_an_unknown_service_is_paged_to_somebody() -> None:
    house = House()

    await house.open(service=ServiceId("brand-new"))

    assert house.rung() == ["mira"]
