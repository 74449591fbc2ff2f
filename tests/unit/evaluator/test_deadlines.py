"""The wheel: nothing is fired early, forgotten, or out of order."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from services.evaluator.domain.deadlines import UNFILED, Wheel
from services.evaluator.domain.pending import NEVER
from services.evaluator.domain.plan import SECOND_NS


@dataclass
class Alarm:
    name: tuple[str, str]
    deadline_ns: int
    filed_s: int = UNFILED

    def log_deadline_ns(self) -> int:
        return self.deadline_ns


def ring(wheel: Wheel[Alarm], now_ns: int) -> list[str]:
    rung: list[str] = []

    def fire(alarm: Alarm) -> None:
        rung.append(alarm.name[0])
        alarm.deadline_ns = NEVER

    wheel.advance(now_ns, fire)
    return rung


def test_what_is_due_fires_in_order_of_deadline_then_name() -> None:
    alarms = [Alarm((name, ""), deadline) for name, deadline in (("b", 5), ("c", 4), ("a", 5), ("d", 2 * SECOND_NS))]
    assert ring(Wheel(0, alarms), 10) == ["c", "a", "b"]


def test_a_deadline_later_in_the_running_second_waits() -> None:
    wheel = Wheel(0, [Alarm(("a", ""), 500)])
    assert ring(wheel, 499) == []
    assert ring(wheel, 500) == ["a"]


def test_a_postponed_deadline_fires_once_at_its_new_time() -> None:
    alarm = Alarm(("a", ""), 3 * SECOND_NS)
    wheel = Wheel(0, [alarm])
    alarm.deadline_ns = 7 * SECOND_NS
    assert [ring(wheel, second * SECOND_NS) for second in range(9)] == [[]] * 7 + [["a"], []]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9), st.integers(0, 40)), max_size=25))
@settings(max_examples=20, derandomize=True, deadline=None)
def test_the_wheel_agrees_with_looking_at_everybody(moves: list[tuple[int, int, int]]) -> None:
    # given ten alarms whose deadlines are moved, both ways, while time goes on; a tenth of a second is the unit
    unit = SECOND_NS // 10
    alarms = [Alarm((f"{number}", ""), NEVER) for number in range(10)]
    wheel: Wheel[Alarm] = Wheel(0, alarms)
    now = 0
    for step, number, ahead in moves:
        alarms[number].deadline_ns = (now + ahead) * unit
        wheel.file(alarms[number], alarms[number].deadline_ns)
        # when time goes on
        now += step
        due = sorted((one.deadline_ns, one.name[0]) for one in alarms if one.deadline_ns <= now * unit)
        # then exactly those fire whose deadline has come
        assert ring(wheel, now * unit) == [name for _, name in due]
