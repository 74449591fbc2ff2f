from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from services.prober.domain.schedule import MS, Agenda, Due, S, Timeline, late_limit_ns, next_due_ns, phase_ns
from services.prober.lateness import Stalls
from shared.kit.clock import to_ns
from shared.values import CheckId

WEB = CheckId("web-health")
NOW = to_ns(datetime(2026, 11, 24, 9, 0, tzinfo=UTC))


@given(st.from_regex(r"[a-z][a-z0-9-]{0,62}", fullmatch=True), st.integers(10, 86_400_000), st.integers(0, 4 * 10**18))
def test_the_next_turn_is_on_the_grid_later_than_now_and_within_one_interval(
    check: str, every_ms: int, now_ns: int
) -> None:
    every_ns = every_ms * MS
    due_ns = next_due_ns(CheckId(check), every_ns, now_ns)
    assert now_ns < due_ns <= now_ns + every_ns
    assert (due_ns - phase_ns(CheckId(check), every_ns)) % every_ns == 0
    assert due_ns % MS == 0


def test_a_checks_place_in_its_interval_is_the_same_on_every_machine() -> None:
    assert phase_ns(WEB, 5 * S) == 197 * MS


def test_a_thousand_checks_of_one_minute_are_spread_over_the_minute() -> None:
    seconds = [phase_ns(CheckId(f"check-{n}"), 60 * S) // S for n in range(1000)]
    assert max(seconds.count(second) for second in range(60)) < 40
    assert len(set(seconds)) == 60


def test_a_wall_clock_that_is_set_back_at_once_does_not_move_the_schedule() -> None:
    timeline = Timeline(NOW, 0)
    assert timeline.observe(NOW + 3600 * S, 0) is None
    assert timeline.is_in_doubt(NOW + 3600 * S, 0)
    assert timeline.observe(NOW + 3601 * S, 1 * S) is None
    assert timeline.observe(NOW + 2 * S, 2 * S) is None
    assert timeline.at(2 * S) == NOW + 2 * S
    assert not timeline.is_in_doubt(NOW + 2 * S, 2 * S)


def test_the_schedule_follows_a_wall_clock_that_stays_away_by_one_jump() -> None:
    timeline = Timeline(NOW, 0)
    jumps = [timeline.observe(NOW + 3600 * S + at * S, at * S) for at in range(4)]
    assert jumps == [None, None, 3600 * S, None]
    assert timeline.at(4 * S) == NOW + 3604 * S


def test_a_wall_clock_set_twice_is_waited_for_anew() -> None:
    timeline = Timeline(NOW, 0)
    timeline.observe(NOW + 60 * S, 0)
    assert timeline.observe(NOW + 600 * S + 2 * S, 2 * S) is None
    assert timeline.observe(NOW + 600 * S + 4 * S, 4 * S) == 600 * S


def test_a_small_difference_of_the_clocks_is_left_alone() -> None:
    timeline = Timeline(NOW, 0)
    assert timeline.observe(NOW + S // 2, 0) is None
    assert not timeline.is_in_doubt(NOW + S // 2, 0)


def test_a_probe_may_be_a_quarter_of_its_interval_late_and_at_least_half_a_second() -> None:
    assert late_limit_ns(1 * S) == S // 2
    assert late_limit_ns(60 * S) == 15 * S


def agenda_at(now_ns: int) -> Agenda:
    agenda = Agenda()
    agenda.add(WEB, 5 * S, now_ns)
    return agenda


def test_a_check_is_due_once_each_interval() -> None:
    agenda = agenda_at(NOW)
    first = agenda.next_ns()
    assert first is not None
    assert agenda.pop(first - 1) == []
    assert agenda.pop(first) == [Due(WEB, first, 0, first)]
    assert agenda.pop(first) == []
    assert agenda.next_ns() == first + 5 * S


def test_turns_that_were_slept_through_are_counted_and_the_latest_is_given() -> None:
    agenda = agenda_at(NOW)
    first = agenda.next_ns()
    assert first is not None
    assert agenda.pop(first + 12 * S) == [Due(WEB, first + 10 * S, 2, first)]


def test_a_removed_check_has_no_more_turns_and_may_come_back_with_another_interval() -> None:
    agenda = agenda_at(NOW)
    agenda.remove(WEB)
    assert agenda.pop(NOW + 60 * S) == []
    agenda.add(WEB, 1 * S, NOW + 60 * S)
    assert len(agenda.pop(NOW + 61 * S)) == 1


def test_adding_a_check_again_does_not_double_its_turns() -> None:
    agenda = agenda_at(NOW)
    agenda.add(WEB, 5 * S, NOW)
    assert len(agenda.pop(NOW + 5 * S)) == 1


def test_after_a_jump_of_the_clock_nothing_is_made_up_for() -> None:
    agenda = agenda_at(NOW)
    agenda.jump(NOW + 3600 * S)
    assert agenda.pop(NOW + 3600 * S) == []
    assert len(agenda.pop(NOW + 3605 * S)) == 1


def test_a_stall_counts_for_the_probes_it_touched_and_no_others() -> None:
    stalls = Stalls()
    stalls.sleeping(0, 0.25)
    stalls.woke(3 * S)
    assert stalls.worst_since(1 * S, 3 * S) == 3 * S - S // 4
    assert stalls.worst_since(3 * S + 1, 4 * S) == 0


def test_a_stall_that_is_just_ending_counts_already() -> None:
    stalls = Stalls()
    stalls.sleeping(0, 0.25)
    assert stalls.worst_since(0, 2 * S) == 2 * S - S // 4
    assert stalls.worst_since(0, S // 8) == 0
