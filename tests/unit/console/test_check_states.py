"""Target down, prober down, unknown and stale are four different things."""

from datetime import timedelta

import pytest

from services.console.model import CheckState, ReadModel, SeriesKey
from shared.values import CheckId, Outcome
from tests.unit.console.things import AT, DB, MAIN, WEB, batch, later, minute, sample, shape, watching


def state(model: ReadModel, key: SeriesKey = WEB) -> CheckState:
    return model.series[key].state


def test_a_check_without_a_result_waits() -> None:
    model = watching()
    model.tick(later(1))
    assert state(model) is CheckState.WAITING


@pytest.mark.parametrize(
    ("outcome", "wanted"),
    [(Outcome.OK, CheckState.OK), (Outcome.FAILED, CheckState.FAILED), (Outcome.UNKNOWN, CheckState.UNKNOWN)],
)
def test_the_last_result_decides(outcome: Outcome, wanted: CheckState) -> None:
    model = watching()
    changed = model.apply(batch(sample(later(1), outcome)), later(1))
    assert state(model) is wanted
    assert {WEB.part, "service.erp-web", "headline"} <= changed


def test_an_older_result_changes_nothing() -> None:
    model = watching()
    model.apply(batch(sample(later(5), Outcome.FAILED)), later(5))
    assert model.apply(batch(sample(later(2))), later(6)) == set()
    assert state(model) is CheckState.FAILED


def test_a_repeated_result_changes_nothing() -> None:
    model = watching()
    model.apply(batch(sample(later(5))), later(5))
    assert model.apply(batch(sample(later(5), Outcome.FAILED)), later(5)) == set()


def test_a_silent_prober_blinds_its_checks_and_does_not_fail_them() -> None:
    model = watching()
    model.apply(batch(sample(later(1))), later(1))
    assert WEB.part not in model.tick(later(10))
    assert {WEB.part, DB.part} <= model.tick(later(12))
    assert state(model) is CheckState.PROBER_DOWN


def test_an_empty_batch_keeps_a_check_from_being_blind() -> None:
    model = watching(every_s=60)
    model.apply(batch(sample(later(1))), later(1))
    model.apply(batch(), later(30))
    model.tick(later(35))
    assert state(model) is CheckState.OK


def test_a_check_that_no_longer_answers_while_its_prober_lives_is_stale() -> None:
    model = watching()
    model.apply(batch(sample(later(1))), later(1))
    model.apply(batch(), later(18))
    model.tick(later(19))
    assert state(model) is CheckState.STALE


def test_our_own_silence_never_reads_as_theirs() -> None:
    # given results, and then a bus that is away for two minutes
    model = watching()
    model.apply(batch(sample(later(1))), later(1))
    for second in range(2, 120):
        model.tick(later(second), is_deaf=True)
    assert state(model) is CheckState.OK
    # when it is back, everybody gets a fresh start
    model.tick(later(121))
    assert state(model) is CheckState.OK
    # then patience is over as usual
    model.tick(later(135))
    assert state(model) is CheckState.PROBER_DOWN


def test_a_check_added_later_is_not_stale_at_once() -> None:
    model = watching(WEB)
    model.apply(batch(sample(later(3000))), later(3000))
    model.configure(shape(WEB, DB), later(3001))
    model.tick(later(3002))
    assert state(model, DB) is CheckState.WAITING
    assert state(model, WEB) is CheckState.OK


def test_a_check_that_is_no_longer_configured_is_forgotten() -> None:
    model = watching()
    model.configure(shape(DB), later(1))
    model.apply(batch(sample(later(2))), later(2))
    assert list(model.series) == [DB]


def test_results_of_a_check_nobody_configured_are_not_kept() -> None:
    model = watching(DB)
    assert model.apply(batch(sample(later(1), key=SeriesKey(CheckId("other"), MAIN))), later(1)) == set()


def test_history_tells_the_state_until_a_live_result_arrives() -> None:
    model = watching()
    model.apply(minute(AT - timedelta(seconds=60), ok=0, failed=12), later(1))
    model.tick(later(1))
    assert state(model) is CheckState.FAILED
    model.apply(batch(sample(later(2))), later(2))
    assert state(model) is CheckState.OK


def test_the_line_is_minutes_before_we_listened_and_every_result_after() -> None:
    model = watching()
    for number in range(10, 0, -1):
        model.apply(minute(AT - timedelta(minutes=number)), later(1))
    model.apply(batch(sample(later(1)), sample(later(6), Outcome.FAILED)), later(6))
    looks = model.series[WEB].looks(later(7))
    assert len(looks) == 12
    assert [look.took_s for look in looks[-2:]] == [pytest.approx(0.1), None]
    assert [look.at for look in looks] == sorted(look.at for look in looks)


def test_a_minute_that_results_cover_is_not_drawn_twice() -> None:
    model = watching()
    model.apply(batch(sample(later(1))), later(1))
    model.apply(minute(AT), later(61))
    assert len(model.series[WEB].looks(later(62))) == 1


def test_only_the_last_hour_and_sixty_results_are_kept() -> None:
    model = watching()
    for number in range(100):
        model.apply(batch(sample(later(number * 5))), later(number * 5))
    assert len(model.series[WEB].looks(later(500))) == 60
    assert model.series[WEB].looks(later(500 + 3600)) == []
