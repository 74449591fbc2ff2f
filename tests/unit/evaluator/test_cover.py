"""A window speaks only once it is covered: at a start, after a hole, and when half of the values stay away."""

from services.evaluator.domain.plan import Aggregate
from services.evaluator.domain.records import PlanApplied, Sample
from tests.unit.evaluator.story import Story, at, check, failed, lasting, ok, plan, slow


def every_5_s(first: int, last: int, took: float = 0.1) -> list[Sample]:
    return [ok(second, took) for second in range(first, last + 1, 5)]


def test_a_slow_first_minute_is_no_percentile_of_five() -> None:
    # given a target that is slow only while the machine it shares with us starts everything at once
    story = Story.under(plan(lasting(slow(Aggregate.P95, over=300), for_s=30)))
    story.see(*every_5_s(5, 30, took=1.5), *every_5_s(35, 600))
    assert story.told == []


def test_a_target_that_is_slow_from_the_first_moment_is_said_when_the_window_is_covered() -> None:
    story = Story.under(plan(slow(Aggregate.P95, over=60))).see(*every_5_s(5, 70, took=0.3))
    assert story.told == ["opened web-slow medium 65"]


def test_a_window_as_short_as_the_interval_is_covered_by_its_second_sample() -> None:
    story = Story.under(plan(slow(Aggregate.MAX, over=5))).see(*every_5_s(5, 15, took=0.3))
    assert story.told == ["opened web-slow medium 10"]


def test_a_window_between_two_intervals_is_covered_too() -> None:
    story = Story.under(plan(slow(Aggregate.MEAN, over=7))).see(*every_5_s(5, 20, took=0.3))
    assert story.told == ["opened web-slow medium 15"]


def test_a_few_values_on_both_sides_of_a_hole_are_not_the_window() -> None:
    # given a minute's window, and 45 s without a sample in it
    story = Story.under(plan(slow(Aggregate.MAX, over=60))).see(*every_5_s(5, 65))
    story.hear(110).see(*every_5_s(115, 130, took=0.3))
    assert story.told == []
    # then it opens as soon as half of its twelve values are there again
    story.see(*every_5_s(135, 140, took=0.3))
    assert story.told == ["opened web-slow medium 140"]


def test_a_hole_as_long_as_the_window_is_a_new_start() -> None:
    story = Story.under(plan(slow(Aggregate.MAX, over=20))).see(*every_5_s(5, 30)).hear(60)
    story.see(*every_5_s(65, 80, took=0.3))
    assert story.told == []
    story.see(ok(85, 0.3))
    assert story.told == ["opened web-slow medium 85"]


def test_a_slow_breach_is_held_while_too_few_answers_come() -> None:
    story = Story.under(plan(slow(Aggregate.MEAN, over=20))).see(*every_5_s(0, 20, took=0.3))
    story.see(failed(25), failed(30), failed(35), ok(40, 0.1))
    assert story.told == ["opened web-slow medium 20"]
    story.see(ok(45, 0.1))
    assert story.told == ["opened web-slow medium 20", "cleared web-slow healed 45"]


def test_the_cover_is_not_lost_at_a_restart() -> None:
    story = Story.under(plan(slow(Aggregate.P95, over=60))).see(*every_5_s(5, 50)).restart()
    story.see(*every_5_s(55, 65, took=0.3))
    assert story.told == ["opened web-slow medium 65"]


def test_under_another_interval_other_values_are_due() -> None:
    # given a minute's window that holds two values: too few of twelve, enough of three
    rule = slow(Aggregate.MAX, over=60)
    often, seldom = (plan(rule, checks=[check(every=every)], revision=every) for every in (5, 20))
    for applied, told in ((often, []), (seldom, ["opened web-slow medium 122"])):
        story = Story.under(often).see(*every_5_s(5, 65)).hear(120)
        story.take(PlanApplied(at(121), applied)).see(ok(122, 0.3))
        assert story.told == told
