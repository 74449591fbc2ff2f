"""Which provider carries the next attempt."""

from datetime import UTC, datetime

from services.notifier.domain.standby import ILL_FOR, Illness, choose, has_standby

NOW = datetime(2026, 2, 20, 8, tzinfo=UTC)
BOTH = ["first", "second"]


def test_the_first_provider_is_first() -> None:
    assert choose(BOTH, None, 0, Illness(), NOW) == "first"


def test_the_second_stands_in_within_the_turn_and_the_next_turn_begins_anew() -> None:
    assert has_standby(BOTH, 1)
    assert choose(BOTH, "first", 1, Illness(), NOW) == "second"
    assert not has_standby(BOTH, 2)
    assert choose(BOTH, "second", 2, Illness(), NOW) == "first"


def test_an_ill_provider_is_passed_over_until_it_has_rested() -> None:
    illness = Illness()
    illness.failed("first", NOW)
    assert choose(BOTH, None, 0, illness, NOW) == "first"
    illness.failed("first", NOW)
    assert choose(BOTH, None, 0, illness, NOW) == "second"
    assert choose(BOTH, None, 0, illness, NOW + ILL_FOR) == "first"


def test_a_success_makes_it_well() -> None:
    illness = Illness()
    illness.failed("first", NOW)
    illness.failed("first", NOW)
    illness.worked("first")
    assert choose(BOTH, None, 0, illness, NOW) == "first"


def test_when_all_are_ill_one_is_tried_all_the_same() -> None:
    illness = Illness()
    for name in BOTH * 2:
        illness.failed(name, NOW)
    assert choose(BOTH, None, 0, illness, NOW) == "first"


def test_nothing_configured_is_nobody() -> None:
    assert choose([], None, 0, Illness(), NOW) is None
    assert not has_standby([], 1)


def test_a_provider_that_is_gone_from_the_configuration_does_not_confuse_the_turn() -> None:
    assert choose(BOTH, "gone", 1, Illness(), NOW) == "first"
