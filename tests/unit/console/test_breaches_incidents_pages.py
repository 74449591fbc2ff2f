"""Any order of arrival, any repetition, the same picture."""

import itertools

import pytest

from services.console.model import ReadModel
from services.console.web.views import Views
from shared import contracts as c
from shared.values import CheckId, IncidentId, Location, RuleId, ServiceId, Severity
from tests.unit.console.things import (
    AT,
    INCIDENT,
    breach,
    cleared,
    incident,
    later,
    open_set,
    opened,
    receipt,
    watching,
)


def open_revs(model: ReadModel) -> list[int]:
    return [one.rev for one in model.breaches.open()]


@pytest.mark.parametrize("order", list(itertools.permutations([opened(10), cleared(11), opened(12)])))
def test_the_newest_verdict_wins_in_any_order(order: tuple[c.BreachEvent, ...]) -> None:
    model = watching()
    for event in order:
        model.apply(event, AT)
    assert open_revs(model) == [12]


@pytest.mark.parametrize("order", list(itertools.permutations([opened(10), cleared(11), open_set(11)])))
def test_an_opened_after_its_cleared_stays_closed(order: tuple[c.Message, ...]) -> None:
    model = watching()
    for event in order:
        model.apply(event, AT)
    assert open_revs(model) == []


def test_an_open_set_heals_a_lost_verdict() -> None:
    model = watching()
    assert "breaches" in model.apply(open_set(10, breach(9)), AT)
    assert open_revs(model) == [9]
    assert "check.web-health.main" in model.apply(open_set(20), AT)
    assert open_revs(model) == []


def test_a_verdict_newer_than_the_open_set_survives_it() -> None:
    model = watching()
    model.apply(opened(30), AT)
    assert model.apply(open_set(20), AT) == set()
    assert open_revs(model) == [30]


def test_an_old_open_set_changes_nothing() -> None:
    model = watching()
    model.apply(open_set(20, breach(9)), AT)
    assert model.apply(open_set(10), AT) == set()
    assert open_revs(model) == [9]


def test_breaches_stand_worst_first() -> None:
    model = watching()
    model.apply(c.BreachOpened.of("evaluator-1", breach(1, Severity.LOW), AT), AT)
    model.apply(c.BreachOpened.of("evaluator-2", breach(1, Severity.CRITICAL), AT), AT)
    assert [one.severity for one in model.breaches.open()] == [Severity.CRITICAL, Severity.LOW]


def test_a_breach_leads_to_its_incident_and_one_of_a_silent_location_to_the_locations() -> None:
    model = watching()
    silent = c.BreachKey(rule=RuleId("prober-down"), check=CheckId(""), location=Location("fra"))
    unseen = breach(1).model_copy(update={"key": silent, "service": ServiceId("erp-db"), "symptom": "prober-down"})
    model.apply(opened(1), AT)
    model.apply(c.BreachOpened.of("evaluator-2", unseen, AT), AT)
    model.apply(incident(1), AT)
    model.apply(incident(1, number=2, location="fra", symptom="prober-down"), AT)

    views = Views(model, None)

    assert {one.rule: one.incident for one in views.breaches(AT)} == {"web-down": "i1", "prober-down": "i2"}
    assert [one.service for one in views.running(AT)] == ["erp-web", "location fra"]


def test_a_stage_that_was_never_entered_is_not_shown_as_passed() -> None:
    model = watching()
    model.apply(incident(1), AT)
    model.apply(incident(2, c.Stage.RESOLUTION, stage_due_at=None, watch_s=1800.0), AT)

    [shown] = Views(model, None).running(later(2))

    assert [one.where for one in shown.stages] == ["past", "skipped", "skipped", "now", "next", "next"]
    assert (shown.clock.kind, shown.clock.text) == ("watch", "29 min 59 s")
    [shown] = Views(model, None).running(later(1 + 1800 + 5))
    assert (shown.clock.kind, shown.clock.text) == ("waits", "5 s")


def test_an_incident_is_its_newest_event() -> None:
    model = watching()
    model.apply(incident(3, c.Stage.RESPONSE), AT)
    assert model.apply(incident(2, c.Stage.ASSESSMENT), AT) == set()
    found = model.incidents.get(INCIDENT)
    assert found is not None
    assert found.stage is c.Stage.RESPONSE


def test_unacknowledged_incidents_come_first_then_the_worst() -> None:
    model = watching()
    model.apply(incident(1, number=1, severity="critical", acknowledged_by="ana"), AT)
    model.apply(incident(1, number=2, severity="low"), AT)
    model.apply(incident(1, number=3, severity="high"), AT)
    assert [one.incident for one in model.incidents.running()] == ["i3", "i2", "i1"]


def test_a_move_to_the_post_mortem_takes_an_incident_off_the_running_ones() -> None:
    model = watching()
    model.apply(incident(1), AT)
    assert "incidents" in model.apply(incident(2, c.Stage.POST_MORTEM), AT)
    assert model.incidents.running() == []
    assert [one.incident for one in model.incidents.over()] == ["i1"]


def test_a_note_redraws_one_card_and_not_the_list() -> None:
    model = watching()
    model.apply(incident(1), AT)
    changed = model.apply(incident(2), AT)
    assert "incident.i1" in changed
    assert "incidents" not in changed


def test_an_acknowledged_incident_moves_below_one_that_is_not() -> None:
    model = watching()
    model.apply(incident(1), AT)
    model.apply(incident(1, number=2), AT)
    assert "incidents" in model.apply(incident(2, acknowledged_by="ana"), AT)
    assert [one.incident for one in model.incidents.running()] == ["i2", "i1"]


def test_old_closed_incidents_go_with_their_pages() -> None:
    model = watching()
    for number in range(60):
        model.apply(receipt(c.PageState.QUEUED, number=number), AT)
        model.apply(incident(1, c.Stage.CLOSED, number=number), AT)
    assert len(model.incidents.over()) == 50
    assert model.incidents.get(IncidentId("i0")) is None
    assert model.pages.of(IncidentId("i0")) == []
    assert len(model.pages.of(IncidentId("i59"))) == 1


def test_a_receipt_never_lowers_the_proof() -> None:
    model = watching()
    model.apply(receipt(c.PageState.DELIVERED), AT)
    assert model.apply(receipt(c.PageState.SENDING), AT) == set()
    assert model.pages.of(INCIDENT)[0].state is c.PageState.DELIVERED


def test_a_page_that_failed_on_one_channel_is_as_far_as_the_next_one() -> None:
    model = watching()
    model.apply(receipt(c.PageState.FAILED_PERMANENT, "sms", at=AT), AT)
    model.apply(receipt(c.PageState.SENDING, "email", at=later(1)), AT)
    assert model.pages.of(INCIDENT)[0].state is c.PageState.SENDING


def test_an_undeliverable_page_is_lost_until_somebody_saw_it() -> None:
    model = watching()
    model.apply(receipt(c.PageState.DEAD, None, undeliverable=True), AT)
    assert model.undeliverable(INCIDENT) == 1
    model.apply(receipt(c.PageState.ACKNOWLEDGED, None), AT)
    assert model.undeliverable(INCIDENT) == 0


def test_the_incident_says_undeliverable_where_receipts_are_gone() -> None:
    model = watching()
    model.apply(incident(1, undeliverable=2), AT)
    model.apply(incident(2), AT)
    assert model.undeliverable(INCIDENT) == 2


def test_pages_are_bounded() -> None:
    model = watching()
    for number in range(2100):
        model.apply(receipt(c.PageState.QUEUED, number=number), AT)
    kept = sum(len(model.pages.of(IncidentId(f"i{number}"))) for number in range(2100))
    assert kept == 2000


def test_replaying_everything_changes_nothing() -> None:
    events = [
        opened(10),
        open_set(10, breach(10)),
        incident(1),
        incident(2, c.Stage.RESPONSE),
        receipt(c.PageState.SEEN),
    ]
    model = watching()
    for event in events:
        model.apply(event, AT)
    assert [model.apply(event, AT) for event in events] == [set()] * len(events)
