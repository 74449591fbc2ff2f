"""A location falls silent: one incident, however many services nobody sees any more."""

from dataclasses import replace

from services.incidents.domain.plan import Escalation, Policy, Service, Step
from shared.contracts import BreachKey, ClearReason, IncidentOpened, IncidentUpdated, PageKind, PageState, Stage
from shared.values import ServiceId, Severity
from tests.unit.incidents.house import (
    ANA,
    CHAT,
    JOAO,
    LI,
    MIRA,
    PLAN,
    WEB,
    House,
    minutes,
    silent,
    stated,
)

DB, SHOP = ServiceId("erp-db"), ServiceId("shop")
SHOP_CHAT = CHAT.model_copy(update={"target": "#shop"})
NAME = "2026-02-20-prober-down-fra"

TWO_TEAMS = replace(
    PLAN,
    services={**PLAN.services, SHOP: Service("shop")},
    escalations={
        "erp": Escalation({Severity.HIGH: Policy((Step((ANA,), minutes(10)), Step((JOAO,), None)))}, tell=(CHAT,)),
        "shop": Escalation({Severity.HIGH: Policy((Step((ANA, LI), minutes(5)),), repeat=1)}, tell=(SHOP_CHAT,)),
    },
    managers=(),
)


async def fall_silent(house: House, *services: ServiceId, rev: int = 1, of: BreachKey | None = None) -> None:
    for service in services:
        await house.open(rev, service=service, of=of or silent(), symptom="prober-down", severity=Severity.HIGH)


async def speak_again(
    house: House, *services: ServiceId, rev: int = 2, reason: ClearReason = ClearReason.HEALED
) -> None:
    for service in services:
        await house.clear(rev, service=service, of=silent(), reason=reason)


async def test_a_silent_location_is_one_incident_with_one_page() -> None:
    house = House()

    await fall_silent(house, WEB, DB)

    incident = await house.only()
    assert (incident.name, incident.location, incident.services) == (NAME, "fra", (DB, WEB))
    assert house.rung() == ["ana"]
    assert house.pages()[0].title.startswith("HIGH INCIDENT: location fra: ")
    assert [update.addressee.text for update in house.pages(PageKind.UPDATE)] == ["chat:#erp-launch", "mira"]


async def test_the_services_stand_on_the_timeline_and_in_the_events() -> None:
    house = House()

    await fall_silent(house, WEB, DB)

    texts = [entry.text for entry in await house.store.timeline((await house.only()).id)]
    assert any(text.startswith("high: erp-web not seen from fra: ") for text in texts)
    assert any(text.startswith("erp-db not seen from fra: ") for text in texts)
    opened = next(one for one in house.said if isinstance(one, IncidentOpened))
    joined = next(one for one in house.said if isinstance(one, IncidentUpdated))
    assert (opened.location, opened.services, opened.about) == ("fra", (WEB,), "location fra")
    assert joined.services == (DB, WEB)


async def test_every_location_has_an_incident_of_its_own() -> None:
    house = House()

    await fall_silent(house, WEB, DB)
    await fall_silent(house, WEB, DB, of=silent("ber"))

    assert sorted(one.name for one in await house.store.newest("all", 10)) == ["2026-02-20-prober-down-ber", NAME]


async def test_what_else_is_wrong_with_a_service_stays_its_own() -> None:
    house = House()
    await fall_silent(house, WEB)

    await house.open(1)

    assert sorted(one.name for one in await house.store.newest("all", 10)) == [NAME, "2026-02-20-web-down"]


async def test_it_heals_when_every_service_is_seen_again() -> None:
    house = House()
    await fall_silent(house, WEB, DB)

    await speak_again(house, WEB)
    assert (await house.only()).stage is Stage.ALERT

    await speak_again(house, DB)
    assert (await house.only()).stage is Stage.RESOLUTION


async def test_a_service_that_falls_silent_during_the_watch_reopens_it() -> None:
    house = House()
    await fall_silent(house, WEB)
    await speak_again(house, WEB)

    await fall_silent(house, DB, rev=3)

    incident = await house.only()
    assert (incident.stage, incident.ack_epoch, incident.services) == (Stage.RESPONSE, 2, (DB, WEB))
    assert house.rung() == ["ana", "ana"]


async def test_its_watch_counts_what_is_seen_of_its_services() -> None:
    house = House()
    await fall_silent(house, WEB, DB)
    await speak_again(house, WEB, DB)
    for number in range(1, 31):
        house.clock.advance(minutes(1))
        await house.open_set(100 + number, services=(DB,))

    watch = (await house.only()).watch
    assert watch is not None
    assert watch.is_over


async def test_a_watch_counts_the_least_of_what_one_statement_says() -> None:
    house = House()
    await fall_silent(house, WEB, DB)
    await speak_again(house, WEB, DB)
    house.clock.advance(minutes(1))

    await house.open_set(100, services=(WEB,), coverage=0.5)
    await house.open_set(101, services=(SHOP,), source="evaluator-9")

    watch = (await house.only()).watch
    assert watch is not None
    assert watch.covered_s == 30


async def test_a_service_taken_out_of_the_configuration_does_not_keep_it_open() -> None:
    house = House()
    await fall_silent(house, WEB, DB)

    await speak_again(house, DB, reason=ClearReason.CONFIG)
    await speak_again(house, WEB)

    assert (await house.only()).stage is Stage.RESOLUTION


async def test_a_location_taken_out_of_the_configuration_needs_a_person() -> None:
    house = House()
    await fall_silent(house, WEB, DB)

    await speak_again(house, DB, WEB, reason=ClearReason.CONFIG)

    incident = await house.only()
    assert (incident.stage, incident.needs_person) == (Stage.ALERT, True)


async def test_an_open_set_finds_what_was_missed_and_ends_what_is_over() -> None:
    house = House()
    row = stated(5, service=WEB, of=silent(), symptom="prober-down")
    other = stated(5, service=DB, of=silent(), symptom="prober-down")

    await house.open_set(5, [row, other], services=(WEB, DB))
    assert len((await house.only()).open_breaches) == 2

    house.clock.advance(minutes(1))
    await house.open_set(6, [row], services=(WEB, DB))
    await house.pass_time(minutes(0.2))
    assert [breach.service for breach in (await house.only()).open_breaches] == [WEB]

    await house.open_set(7, services=(WEB, DB))
    await house.pass_time(minutes(0.2))
    assert (await house.only()).stage is Stage.RESOLUTION


# Several escalations


async def test_who_only_another_service_names_is_rung_too_and_nobody_twice() -> None:
    house = House(plan=TWO_TEAMS)

    await fall_silent(house, WEB, DB, SHOP)

    assert house.rung() == ["ana", "li"]
    assert [one.addressee.text for one in house.pages(PageKind.UPDATE)] == ["chat:#erp-launch", "chat:#shop"]


async def test_the_shortest_wait_leads_to_the_next_step_of_all() -> None:
    house = House(plan=TWO_TEAMS)
    await fall_silent(house, WEB, SHOP)

    await house.receipt(house.pages()[0], PageState.ACCEPTED)
    await house.pass_time(minutes(5))

    assert house.rung() == ["ana", "li", "joao"]


async def test_a_service_that_joins_late_rings_its_people_up_to_the_present_step() -> None:
    house = House(plan=TWO_TEAMS)
    await fall_silent(house, WEB)
    await house.receipt(house.pages()[0], PageState.ACCEPTED)
    await house.pass_time(minutes(10))
    assert house.rung() == ["ana", "joao"]

    await fall_silent(house, SHOP)

    assert house.rung() == ["ana", "joao", "li"]


async def test_once_somebody_has_it_a_service_that_joins_rings_nobody() -> None:
    house = House(plan=TWO_TEAMS)
    await fall_silent(house, WEB)
    await house.acts.acknowledge(NAME, "ana")

    await fall_silent(house, SHOP)

    assert house.rung() == ["ana"]
    assert house.pages(PageKind.UPDATE)[-1].addressee == SHOP_CHAT


async def test_whoever_is_no_longer_configured_is_replaced_here_too() -> None:
    house = House(plan=replace(TWO_TEAMS, people=(MIRA,)))

    await fall_silent(house, WEB, SHOP)

    assert house.rung() == ["mira"]
