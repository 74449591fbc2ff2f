"""What each kind of rule says, and when."""

from services.evaluator.domain.plan import Aggregate, BandPlan, Direction, WindowPlan
from services.evaluator.domain.verdicts import Changed, Cleared, Opened, What
from shared.values import Severity
from tests.unit.evaluator.story import (
    Story,
    at,
    check,
    down,
    failed,
    lasting,
    ok,
    plan,
    rule,
    slow,
    span,
    unknown,
)


def test_a_failed_sample_counts_the_moment_it_arrives() -> None:
    story = Story.under(plan(down())).see(failed(5), failed(10, took=1.5))
    opened = story.all_of(Opened)[0]
    assert story.told == ["opened web-down critical 10"]
    assert opened.breach.began_at_ns == at(10)
    assert opened.breach.took_s == 1.5
    assert opened.breach.summary == "2 of the last 3 samples failed: timeout"


def test_two_of_three_needs_no_third_sample_and_no_neighbours() -> None:
    assert Story.under(plan(down())).see(failed(5), ok(10), failed(15)).told == ["opened web-down critical 15"]
    assert Story.under(plan(down())).see(failed(5), ok(10), ok(15), failed(20)).told == []


def test_good_samples_in_a_row_clear_and_old_failures_do_not_reopen() -> None:
    story = Story.under(plan(down(2, 10, ok_in_a_row=2)))
    story.see(failed(5), failed(10), ok(15), failed(20), ok(25), ok(30), ok(35), failed(40))
    assert story.told == ["opened web-down critical 10", "cleared web-down healed 30"]


def test_without_a_clear_condition_a_breach_ends_with_its_condition() -> None:
    story = Story.under(plan(down())).see(failed(5), failed(10), ok(15), ok(20))
    assert story.told == ["opened web-down critical 10", "cleared web-down healed 20"]


def test_unknown_samples_neither_fail_nor_heal() -> None:
    story = Story.under(plan(down(2, 2, ok_in_a_row=2)))
    story.see(failed(5), unknown(10), failed(15), ok(20), unknown(25), unknown(30), ok(35))
    assert story.told == ["opened web-down critical 15", "cleared web-down healed 35"]


def test_the_performance_classes_move_between_bands() -> None:
    story = Story.under(plan(slow(Aggregate.MAX, over=10))).see(ok(5), ok(10))
    story.see(ok(15, 0.3), ok(20, 0.6), ok(25, 1.5), ok(30, 0.6), ok(35, 0.1), ok(40, 0.1))
    assert story.told == [
        "opened web-slow medium 15",
        "changed web-slow high 20",
        "changed web-slow critical 25",
        "changed web-slow high 35",
        "cleared web-slow healed 40",
    ]
    first, last = story.all_of(Opened)[0].breach, story.all_of(Changed)[-1].breach
    assert (first.began_at_ns, last.began_at_ns) == (at(15), at(15))
    assert last.summary == "max of total over 10s is 600 ms, above 500ms"
    assert (last.value, last.threshold) == (0.6, 0.5)


def test_a_value_equal_to_its_threshold_is_good() -> None:
    assert Story.under(plan(slow(Aggregate.MAX, over=5))).see(ok(5, 0.2), ok(10, 0.2)).told == []


def test_a_band_is_left_only_below_its_margin() -> None:
    story = Story.under(plan(slow(Aggregate.MAX, over=5, margin=0.1)))
    story.see(ok(0), ok(5, 0.55), ok(10, 0.47), ok(15, 0.45), ok(20, 0.449), ok(25, 0.19), ok(30, 0.17))
    assert story.told == ["opened web-slow high 5", "changed web-slow medium 20", "cleared web-slow healed 30"]


def test_within_the_margin_nothing_opens() -> None:
    story = Story.under(plan(slow(Aggregate.MAX, over=5, margin=0.1)))
    assert story.see(ok(5, 0.19), ok(10, 0.2), ok(15, 0.2)).told == []


def test_a_lower_bound_is_the_mirror_of_an_upper_one() -> None:
    cold = WindowPlan(Aggregate.MEAN, "hits", "percent", span(10), Direction.BELOW, 0.1)
    story = Story.under(
        plan(rule("cache-cold", cold, (BandPlan(Severity.MEDIUM, 80.0, "80%"),)), checks=[check(values=("hits",))])
    )
    story.see(ok(0, hits=90.0), ok(5, hits=90.0), ok(10, hits=69.0), ok(15, hits=99.0), ok(20, hits=85.0))
    assert story.told == ["opened cache-cold medium 10", "cleared cache-cold healed 20"]
    assert story.all_of(Opened)[0].breach.summary == "mean of hits over 10s is 79.5 %, below 80%"


def test_a_low_percentile_is_judged_from_below() -> None:
    bound = WindowPlan(Aggregate.P50, "hits", "percent", span(15), Direction.BELOW)
    story = Story.under(plan(rule("cold", bound, (BandPlan(Severity.LOW, 50.0, "50%"),))))
    story.see(*(ok(5 * step, hits=value) for step, value in enumerate((60.0, 60.0, 40.0, 45.0, 70.0, 80.0))))
    assert story.told == ["opened cold low 15", "cleared cold healed 25"]


def test_for_fires_at_its_own_instant_not_at_the_next_sample() -> None:
    story = Story.under(plan(lasting(down(1, 1), for_s=12))).see(failed(5), failed(10), failed(15), failed(20))
    assert story.told == ["opened web-down critical 17"]
    assert story.all_of(Opened)[0].breach.began_at_ns == at(5)


def test_for_fires_by_log_time_once_no_sample_can_come_any_more() -> None:
    story = Story.under(plan(lasting(down(1, 1), for_s=3), checks=[check(every=60)])).see(failed(5)).hear(14)
    assert story.told == []
    story.hear(16)
    assert story.told == ["opened web-down critical 8"]


def test_one_good_sample_ends_what_was_pending() -> None:
    story = Story.under(plan(lasting(down(1, 1), for_s=12))).see(failed(5), failed(10), ok(15), failed(20), ok(25))
    assert story.told == []


def test_keep_firing_holds_and_then_ends_at_its_own_instant() -> None:
    story = Story.under(plan(lasting(down(1, 1), keep_s=12)))
    story.see(failed(5), ok(10), ok(15), failed(20), ok(25), ok(30), ok(35), ok(40))
    assert story.told == ["opened web-down critical 5", "cleared web-down healed 37"]
    assert story.all_of(Cleared)[0].summary == "3 good in a row"


def test_each_band_waits_for_its_own_for() -> None:
    story = Story.under(plan(lasting(slow(Aggregate.MAX, over=5), for_s=10)))
    story.see(ok(0), ok(5, 0.3), ok(10, 0.3), ok(15, 2.0), ok(20, 2.0), ok(25, 2.0))
    assert story.told == ["opened web-slow medium 15", "changed web-slow critical 25"]


def test_an_empty_window_is_said_once_and_holds_what_is_open() -> None:
    story = Story.under(plan(slow(Aggregate.MAX, over=5))).see(ok(0), ok(5, 0.3))
    story.see(failed(10), failed(15), failed(20), ok(25, 0.1), ok(30, 0.1))
    assert story.told == ["opened web-slow medium 5", "cleared web-slow healed 30"]
    assert [note.at_ns for note in story.notes(What.NO_VALUES)] == [at(10)]


def test_numbers_beyond_all_reason_do_not_overflow() -> None:
    huge = WindowPlan(Aggregate.MEAN, "hits", "number", span(60), Direction.ABOVE)
    story = Story.under(plan(rule("hits", huge, (BandPlan(Severity.LOW, 5.0, "5"),)), checks=[check(values=("hits",))]))
    story.see(
        *(ok(5 * step, hits=1.7e308 * (-1) ** (step + 1)) for step in range(1, 30)),
        *(ok(150 + 5 * n, hits=1) for n in range(15)),
    )
    assert story.told[-1].startswith("cleared hits healed")
