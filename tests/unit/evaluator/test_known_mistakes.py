"""Mistakes other systems made, one test each, so that they are not made here."""

from services.evaluator.domain.plan import Aggregate
from services.evaluator.domain.records import PlanApplied, Tick
from services.evaluator.domain.verdicts import Cause, MinuteMeasurement, Opened, OpenSet, What
from tests.unit.evaluator.story import SHOP, Story, at, check, down, failed, lasting, ok, plan, silent, slow


def test_a_streak_is_not_lost_at_a_restart() -> None:
    story = Story.under(plan(down(3, 3))).see(failed(5), failed(10)).restart().see(failed(15))
    assert story.told == ["opened web-down critical 15"]


def test_a_for_is_not_lost_at_a_restart_and_breaches_at_the_unbroken_minute() -> None:
    story = Story.under(plan(lasting(down(1, 1), for_s=60)))
    story.see(*(failed(5 * step) for step in range(1, 7)))
    # the process is dead for 15 s, and nobody probes meanwhile
    story.restart().take(Tick(at(45))).see(*(failed(5 * step) for step in range(10, 15)))
    assert story.told == ["opened web-down critical 65"]
    assert story.all_of(Opened)[0].breach.began_at_ns == at(5)


def test_keep_firing_is_not_lost_at_a_restart() -> None:
    story = Story.under(plan(lasting(down(1, 1), keep_s=20))).see(failed(5), ok(10), ok(15))
    story.restart().see(ok(20), ok(25), ok(30), ok(35))
    assert story.told == ["opened web-down critical 5", "cleared web-down healed 30"]


def test_a_prober_outage_is_neither_downtime_nor_uptime() -> None:
    story = Story.under(plan(down(1, 1), silent(), checks=[check(every=10)])).see(ok(5), ok(15), ok(25))
    story.tick(115).hear(116).see(ok(125), ok(135))
    assert {one.breach.cause for one in story.all_of(Opened)} == {Cause.PROBER_DOWN}
    for minute in story.all_of(MinuteMeasurement):
        assert minute.failed == 0
        assert minute.coverage == minute.ok / 6
    assert story.all_of(OpenSet)[-1].covered[SHOP] < 0.5


def test_failed_requests_are_not_in_latency() -> None:
    story = Story.under(plan(slow(Aggregate.MEAN, over=20), slow(Aggregate.P95, over=20)))
    story.see(ok(5, 0.1), failed(10, 30.0), failed(15, 0.0), ok(20, 0.1), ok(25, 0.1), ok(30, 0.1), ok(65, 0.1))
    assert story.told == []
    total = story.all_of(MinuteMeasurement)[0].series["total"]
    assert (total.count, total.mean) == (4, 0.1)


def test_a_breach_clears_whatever_people_did_about_it() -> None:
    # nothing but samples ends a breach: the engine knows no acknowledgement that could hold it open
    story = Story.under(plan(down(2, 3, ok_in_a_row=2))).see(failed(5), failed(10))
    story.hear(12).take(PlanApplied(at(12.5), plan(down(2, 3, ok_in_a_row=2)))).see(ok(15), ok(20))
    assert story.told == ["opened web-down critical 10", "cleared web-down healed 20"]


def test_no_values_is_said_and_is_not_zero() -> None:
    story = Story.under(plan(slow(Aggregate.MEAN, value="latency"), checks=[check(values=("latency",))]))
    story.see(ok(5), ok(10), ok(15), ok(65))
    assert story.told == []
    assert [(note.rule, note.at_ns) for note in story.notes(What.NO_VALUES)] == [("web-slow", at(5))]
    assert "latency" not in story.all_of(MinuteMeasurement)[0].series


def test_a_monitor_that_stops_does_not_stop_silently() -> None:
    # given a check without any rule about silence, whose prober is well
    story = Story.under(plan(down())).see(ok(5)).hear(130)
    # then its silence is noted, measured, and shown in the open set's coverage
    assert [note.at_ns for note in story.notes(What.MISSING)] == [at(17)]
    assert story.all_of(MinuteMeasurement)[-1].coverage == 0
    assert story.all_of(OpenSet)[-1].covered == {"shop": 0.0}


def test_the_first_alert_after_a_start_is_not_dropped() -> None:
    assert Story.under(plan(down(1, 1))).see(failed(5)).told == ["opened web-down critical 5"]


def test_a_condition_that_ends_in_a_hole_does_not_fire_out_of_the_past() -> None:
    # given a failure just before a laptop is shut for a week, with a `for` that would have run out meanwhile
    story = Story.under(plan(lasting(down(1, 1), for_s=30))).see(failed(5))
    # when the next sample, a week later, is good
    story.take(Tick(at(604_800))).see(ok(604_801), ok(604_806))
    # then nobody is told of a breach that nobody saw
    assert story.told == []
