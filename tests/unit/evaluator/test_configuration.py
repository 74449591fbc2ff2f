"""A new plan takes effect at its record: what is unchanged goes on, what is gone ends without having healed."""

from dataclasses import replace

from services.evaluator.domain.plan import SECOND_NS, Aggregate
from services.evaluator.domain.records import PlanApplied
from services.evaluator.domain.verdicts import Cleared, ClearReason, MinuteMeasurement, Opened, OpenSet, What
from shared.values import Location, ServiceId
from tests.unit.evaluator.story import Story, at, batch, check, down, failed, lasting, ok, plan, silent, slow, span


def test_before_the_first_plan_samples_are_set_aside() -> None:
    story = Story().take(batch(1, failed(1), failed(2)))
    assert story.told == []
    assert story.notes(What.UNDECLARED)[0].count == 2


def test_a_rule_that_vanishes_clears_its_breach_but_does_not_heal_it() -> None:
    story = Story.under(plan(down(1, 1), silent())).see(failed(5))
    story.take(PlanApplied(at(6), plan(silent(), revision=2)))
    assert [one.reason for one in story.all_of(Cleared)] == [ClearReason.CONFIG]
    assert story.all_of(OpenSet)[-1].breaches == ()


def test_a_check_that_vanishes_clears_its_breaches_and_states_its_minute() -> None:
    story = Story.under(plan(down(1, 1))).see(failed(5))
    story.take(PlanApplied(at(6), plan(checks=[check("other")], revision=2)))
    assert story.told[-1] == "cleared web-down config 6"
    assert [one.failed for one in story.all_of(MinuteMeasurement)] == [1]


def test_a_location_that_vanishes_takes_its_silent_prober_with_it() -> None:
    fra, ber = Location("fra"), Location("ber")
    story = Story.under(plan(locations=(fra, ber)))
    for second in range(1, 15):
        story.take(batch(second, location=fra))
    story.take(PlanApplied(at(15), plan(locations=(fra,), revision=2)))
    assert story.told == ["opened prober-down high 10", "cleared prober-down config 15"]


def test_an_unchanged_rule_keeps_its_streak_and_its_for() -> None:
    story = Story.under(plan(lasting(down(2, 3), for_s=12))).see(failed(5), failed(10))
    story.take(PlanApplied(at(11), plan(lasting(down(2, 3), for_s=12), slow(), revision=2)))
    assert story.see(failed(15), failed(20), failed(25)).told == ["opened web-down critical 22"]


def test_a_rule_written_differently_starts_anew() -> None:
    story = Story.under(plan(down(1, 1))).see(failed(5))
    story.take(PlanApplied(at(6), plan(down(2, 2), revision=2))).see(failed(10), failed(15))
    assert story.told == [
        "opened web-down critical 5",
        "cleared web-down superseded 6",
        "opened web-down critical 15",
    ]


def test_the_same_plan_again_changes_nothing_but_states_the_open_set() -> None:
    same = plan(slow(Aggregate.MAX, over=5), silent())
    story = Story.under(same).see(ok(5, 0.3), ok(10, 0.3))
    story.take(PlanApplied(at(11), same))
    assert len(story.told) == 1
    assert [breach.key.rule for breach in story.all_of(OpenSet)[-1].breaches] == ["web-slow"]


def test_a_shorter_interval_counts_silence_from_now() -> None:
    slowly, fast = (plan(silent(), checks=[check(every=every)], revision=every) for every in (60, 5))
    story = Story.under(slowly).see(ok(5)).hear(50).take(PlanApplied(at(51), fast)).hear(62)
    assert story.told == []
    assert story.hear(64).told == ["opened web-silent high 63"]


def test_a_new_check_of_a_location_not_heard_for_long_gets_its_own_time() -> None:
    # given an hour without a word from the prober
    story = Story.under(plan(silent())).see(ok(5)).tick(3600)
    # when a check is added, and then the prober returns but the new check stays silent
    both = [check(), check("new")]
    story.take(PlanApplied(at(3601), plan(replace(silent(), check=both[1].check), checks=both, revision=2)))
    story.tick(3611).hear(3650)
    # then the new check is missed after its own interval, time-out and grace, not an hour later
    at_ns = [one.at_ns for one in story.all_of(Opened) if one.breach.key.check == "new"]
    assert at_ns == [at(3601) + span(12) + span(11) + span(5)]


def test_samples_of_unknown_checks_are_counted_and_harmless() -> None:
    story = Story.under(plan(down())).take(batch(5, failed(4.9, name="ghost"), failed(5, name="ghost")))
    note = story.notes(What.UNDECLARED)[0]
    assert (note.check, note.count) == ("ghost", 2)


def test_the_open_set_shows_how_much_of_the_minute_was_seen() -> None:
    story = Story.under(plan(checks=[check(every=5)])).see(*(ok(5 * step) for step in range(1, 7))).hear(61)
    assert story.all_of(OpenSet)[-1].covered == {"shop": 0.5}


def test_a_sample_that_comes_a_little_early_does_not_leave_a_hole_in_the_next_open_set() -> None:
    # given a check due every second, and open sets as often
    fast = replace(plan(checks=[check(every=1)]), restate_ns=SECOND_NS)
    story = Story.under(fast)
    # when samples come in pairs, two in one second and none in the next
    for second in range(1, 40, 2):
        story.take(batch(second), batch(second + 0.3, ok(second - 0.7)), batch(second + 0.6, ok(second + 0.3)))
        story.take(batch(second + 1))
    # then all of the time is covered once there was a sample to spare
    assert {one.covered[ServiceId("shop")] for one in story.all_of(OpenSet)[5:]} == {1.0}
