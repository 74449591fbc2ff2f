"""How misbehaviour is counted."""

import pytest
from pydantic import ValidationError

from cli.drill.behaviour import OK, Behaviour, Behaviours, Mode, Wire


def test_told_for_two_messages_misbehaves_twice_and_then_no_more() -> None:
    behaviours = Behaviours()
    behaviours.tell(Wire.SMTP, Behaviour(mode=Mode.FAIL, times=2))
    assert [behaviours.take(Wire.SMTP).mode for _ in range(3)] == ["fail", "fail", "ok"]


def test_told_without_a_number_misbehaves_until_told_otherwise() -> None:
    behaviours = Behaviours()
    behaviours.tell(Wire.SLACK, Behaviour(mode=Mode.REJECT))
    assert {behaviours.take(Wire.SLACK).mode for _ in range(5)} == {"reject"}
    behaviours.tell(Wire.SLACK, OK)
    assert behaviours.take(Wire.SLACK) == OK


def test_a_moment_that_cannot_act_on_the_mode_does_not_use_it_up() -> None:
    behaviours = Behaviours()
    behaviours.tell(Wire.SMTP, Behaviour(mode=Mode.FAIL, times=1))
    assert behaviours.take(Wire.SMTP, frozenset({Mode.REJECT})) == OK
    assert behaviours.take(Wire.SMTP, frozenset({Mode.FAIL})).mode is Mode.FAIL


def test_each_sink_misbehaves_on_its_own() -> None:
    behaviours = Behaviours()
    behaviours.tell(Wire.TWILIO, Behaviour(mode=Mode.DROP))
    assert [wire for wire, told in behaviours.current().items() if told != OK] == [Wire.TWILIO]


@pytest.mark.parametrize("wrong", [{"times": 0}, {"delay_s": -1}, {"delay_s": 601}, {"mode": "sulk"}, {"time": 1}])
def test_impossible_instructions_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Behaviour.model_validate(wrong)


@pytest.mark.parametrize(("delay_s", "retry_after"), [(None, 1), (0, 1), (0.2, 1), (2.6, 3)])
def test_retry_after_is_whole_seconds_and_never_zero(delay_s: float | None, retry_after: int) -> None:
    assert Behaviour(mode=Mode.THROTTLE, delay_s=delay_s).retry_after_s == retry_after
