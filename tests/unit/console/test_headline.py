"""The first line says the worst thing first."""

from services.console.model import ReadModel, Tone
from shared import contracts as c
from shared.values import Outcome
from tests.unit.console.things import AT, DB, WEB, batch, breach, incident, later, open_set, receipt, sample, watching


def well() -> ReadModel:
    model = watching(WEB, DB)
    model.apply(batch(sample(later(1)), sample(later(1), key=DB)), later(1))
    return model


def test_before_the_replay_nothing_is_claimed() -> None:
    assert ReadModel().headline(AT).tone is Tone.WAITING


def test_without_a_configuration_it_says_what_to_do() -> None:
    model = ReadModel()
    model.loaded()
    said = model.headline(AT)
    assert said.title == "Nothing is watched yet"
    assert "hypercare apply" in said.details[0]


def test_all_well() -> None:
    said = well().headline(later(2))
    assert (said.tone, said.title, said.details) == (Tone.OK, "Everything is fine", ("2 checks watched",))


def test_a_failing_check_without_a_breach_is_a_warning() -> None:
    model = well()
    model.apply(batch(sample(later(6), Outcome.FAILED)), later(6))
    assert model.headline(later(6)).title == "1 check fails"
    assert model.headline(later(6)).tone is Tone.WARN


def test_an_unknown_result_is_not_a_failure() -> None:
    model = well()
    model.apply(batch(sample(later(6), Outcome.UNKNOWN)), later(6))
    assert model.headline(later(6)).title == "1 result is unknown"


def test_a_silent_prober_is_said_as_such() -> None:
    model = well()
    model.tick(later(60))
    assert model.headline(later(60)).title == "2 checks are blind: their prober is silent"


def test_an_evaluator_that_says_nothing_for_minutes_is_said() -> None:
    model = well()
    model.apply(open_set(5, at=AT), AT)
    model.apply(batch(sample(later(299)), sample(later(299), key=DB)), later(299))
    model.tick(later(300))
    assert model.headline(later(300)).title == "1 evaluator partition is silent"


def test_a_breach_is_bad() -> None:
    model = well()
    model.apply(open_set(5, breach(3)), AT)
    assert model.headline(later(2)).title == "1 breach open"
    assert model.headline(later(2)).tone is Tone.BAD


def test_an_incident_outranks_everything_and_says_what_is_still_open() -> None:
    model = well()
    model.apply(open_set(5, breach(3)), AT)
    model.apply(incident(1), AT)
    model.apply(receipt(c.PageState.DEAD, None, undeliverable=True), AT)
    said = model.headline(later(2))
    assert said.title == "1 incident open, not acknowledged"
    assert said.details == ("1 page could not be delivered", "1 breach open")


def test_acknowledged_incidents_are_counted_apart() -> None:
    model = well()
    model.apply(incident(1), AT)
    model.apply(incident(1, number=2, acknowledged_by="ana"), AT)
    assert model.headline(later(2)).title == "2 incidents open, 1 not acknowledged"


def test_a_bus_that_is_away_is_said_and_nothing_is_called_fine() -> None:
    model = well()
    model.tick(later(5), is_deaf=True)
    said = model.headline(later(5))
    assert (said.tone, said.title) == (Tone.WARN, "No news: the bus is away")
