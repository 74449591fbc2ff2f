"""Minute measurements: what came, what was due, and exact numbers of what was good."""

from services.evaluator.domain.verdicts import MinuteMeasurement
from tests.unit.evaluator.story import Story, at, batch, check, failed, heartbeat, ok, plan, unknown


def minutes_of(story: Story) -> list[MinuteMeasurement]:
    return story.all_of(MinuteMeasurement)


def test_a_minute_counts_outcomes_and_summarises_good_samples_only() -> None:
    story = Story.under(plan(checks=[check(every=10, values=("hits",))]))
    story.see(ok(5, 0.2, hits=7.0), ok(15, 0.4), failed(25, 2.0), unknown(35), ok(45, 0.3), ok(65))
    minute = minutes_of(story)[0]
    assert (minute.minute_ns, minute.ok, minute.failed, minute.unknown) == (at(0), 3, 1, 1)
    total = minute.series["total"]
    assert (total.count, total.min, total.max, total.p50) == (3, 0.2, 0.4, 0.3)
    assert total.sorted_values == (0.2, 0.3, 0.4)
    assert minute.series["hits"].count == 1


def test_a_value_nobody_could_read_is_absent_not_zero() -> None:
    story = Story.under(plan(checks=[check(values=("hits",))])).see(ok(5), ok(65))
    assert set(minutes_of(story)[0].series) == {"total"}


def test_unknown_samples_cost_coverage() -> None:
    story = Story.under(plan(checks=[check(every=10)])).see(
        ok(5), ok(15), unknown(25), unknown(35), failed(45), ok(55), ok(65)
    )
    minute = minutes_of(story)[0]
    assert (minute.expected, minute.count) == (6, 6)
    assert minute.coverage == 4 / 6


def test_what_was_due_before_we_watched_is_not_expected() -> None:
    story = Story.under(plan(checks=[check(every=10)])).see(ok(35), ok(45), ok(55), ok(65))
    first = minutes_of(story)[0]
    assert (first.expected, first.count) == (6, 3)


def test_a_minute_closes_without_a_later_sample_once_none_can_come() -> None:
    story = Story.under(plan(checks=[check(every=30, timeout=2, grace=5)])).see(ok(10), ok(40)).hear(66)
    assert minutes_of(story) == []
    assert [one.count for one in minutes_of(story.hear(68))] == [2]


def test_silence_of_a_check_is_measured_as_coverage_zero() -> None:
    story = Story.under(plan(checks=[check(every=30)])).see(ok(10), ok(40)).hear(190)
    assert [(one.count, one.coverage) for one in minutes_of(story)] == [(2, 1.0), (0, 0.0), (0, 0.0)]


def test_a_sample_of_a_closed_minute_is_judged_but_no_minute_is_stated_twice() -> None:
    story = Story.under(plan(checks=[check(every=30, timeout=1, grace=1)])).see(ok(10)).hear(70)
    story.take(batch(71, ok(40))).see(ok(100), ok(130))
    assert [(one.minute_ns, one.count) for one in minutes_of(story)] == [(at(0), 1), (at(60), 1)]


def test_a_check_that_is_due_less_than_once_a_minute_states_only_its_own_minutes() -> None:
    story = Story.under(plan(checks=[check(every=300, timeout=2, grace=60)])).see(ok(100), ok(400)).hear(700)
    assert [(one.minute_ns, one.coverage) for one in minutes_of(story)] == [(at(60), 1.0), (at(360), 1.0)]


def test_a_heartbeat_expects_what_came() -> None:
    story = Story.under(plan(checks=[heartbeat("web-health", every=3600, grace=60)])).see(ok(10)).hear(200)
    assert [(one.expected, one.coverage, one.series) for one in minutes_of(story)] == [(1, 1.0, {})]


def test_more_values_than_sixty_are_summarised_without_being_listed() -> None:
    story = Story.under(plan(checks=[check(every=0.9)])).see(*(ok(0.9 * step, step / 100) for step in range(1, 68)))
    total = minutes_of(story)[0].series["total"]
    assert (total.count, total.sorted_values) == (66, None)
    assert total.p50 == 0.335
