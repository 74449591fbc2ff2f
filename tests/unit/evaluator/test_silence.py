"""Target down, prober down, unknown: three states, and our own silence is none of them."""

from services.evaluator.domain.records import PlanApplied, Tick
from services.evaluator.domain.verdicts import Cause, Opened, OpenSet, What
from shared.values import Location
from tests.unit.evaluator.story import (
    Story,
    at,
    batch,
    check,
    down,
    heartbeat,
    lasting,
    ok,
    plan,
    seconds,
    silent,
    unknown,
)

WEEK = 7 * 86_400


def test_a_check_is_missing_after_interval_timeout_and_grace() -> None:
    story = Story.under(plan(silent())).see(ok(5)).hear(16)
    assert story.told == []
    story.hear(18)
    assert story.told == ["opened web-silent high 17"]
    assert story.all_of(Opened)[0].breach.cause is Cause.NO_DATA
    assert story.all_of(Opened)[0].breach.summary == "nothing heard for 12s"


def test_a_check_never_seen_is_missing_counted_from_the_plan() -> None:
    assert Story.under(plan(silent())).hear(13).told == ["opened web-silent high 12"]


def test_a_sample_ends_silence_at_its_own_instant() -> None:
    story = Story.under(plan(silent())).see(ok(5)).hear(19).see(ok(20))
    assert story.told[1:] == ["cleared web-silent healed 20"]


def test_an_unknown_sample_is_no_silence_and_ends_none() -> None:
    story = Story.under(plan(silent())).see(ok(5)).hear(19).see(unknown(20), unknown(25), unknown(30)).hear(35)
    assert story.told == ["opened web-silent high 17"]


def test_silence_waits_for_its_for() -> None:
    story = Story.under(plan(lasting(silent(), for_s=10))).see(ok(5)).hear(26)
    assert story.told == []
    assert story.hear(28).told == ["opened web-silent high 27"]


def test_silence_shorter_than_its_for_says_nothing() -> None:
    assert Story.under(plan(lasting(silent(), for_s=10))).see(ok(5)).hear(22).see(ok(22.5)).hear(28).told == []


def test_a_missed_heartbeat_is_missing_after_every_and_grace() -> None:
    backup = heartbeat("web-health", every=60, grace=10)
    story = Story.under(plan(silent(), checks=[backup])).see(ok(1)).hear(70)
    assert story.told == []
    assert story.hear(72).told == ["opened web-silent high 71"]


def test_a_silent_prober_is_down_and_its_checks_are_not() -> None:
    story = Story.under(plan(silent(), down())).see(ok(5)).tick(100)
    assert story.told == ["opened prober-down high 15.1"]
    assert story.all_of(Opened)[0].breach.cause is Cause.PROBER_DOWN
    assert story.notes(What.MISSING) == []


def test_a_prober_that_comes_back_gives_its_checks_time() -> None:
    # given a prober that was silent for a minute
    story = Story.under(plan(silent())).see(ok(5)).tick(65)
    # when it is back, and the check's next sample comes within interval, time-out and grace
    story.hear(70).see(ok(71))
    # then nobody says that the check was silent
    assert story.told == ["opened prober-down high 15.1", "cleared prober-down healed 66.1"]


def test_a_check_that_stays_silent_after_its_prober_came_back_is_missing() -> None:
    story = Story.under(plan(silent())).see(ok(5)).tick(65).hear(120)
    assert story.told[2:] == ["opened web-silent high 83"]


def test_one_location_down_is_not_the_other() -> None:
    fra, ber = Location("fra"), Location("ber")
    story = Story.under(plan(down(), locations=(fra, ber)))
    for second in range(1, 20):
        story.take(batch(second, location=fra))
    assert [(one.breach.key.location, one.breach.key.rule) for one in story.all_of(Opened)] == [(ber, "prober-down")]


def test_a_week_without_a_log_is_nobodys_silence() -> None:
    # given a laptop that is shut for a week
    story = Story.under(plan(silent(), down())).see(ok(5))
    # when it opens, and the prober goes on after three seconds
    story.take(Tick(at(WEEK))).tick(WEEK + 3).hear(WEEK + 5).see(ok(WEEK + 6))
    # then nothing is said, and no minute of the week is stated one by one
    assert story.told == []
    assert len(story.outputs) < 20


def test_silence_that_goes_on_after_a_gap_is_still_found() -> None:
    story = Story.under(plan(silent())).see(ok(5)).take(batch(WEEK)).hear(WEEK + 18)
    # what remained of its time, 11.9 s, and a grace of 5 s
    assert seconds(story.verdicts[0].at_ns) == WEEK + 16.9


def test_a_sample_from_the_future_is_refused() -> None:
    story = Story.under(plan(down(1, 1))).take(batch(5, ok(10.1)), batch(6, ok(10.5)))
    assert [note.count for note in story.notes(What.AHEAD)] == [1]
    assert story.partition.series[Location("main")][check().check].last_due_ns == at(10.5)


def test_a_prober_an_hour_ahead_is_down_for_its_clock() -> None:
    story = Story.under(plan(silent(), down())).see(ok(5))
    for second in range(6, 40):
        story.take(batch(second, *([ok(second + 3600)] if second % 5 == 0 else [])))
    assert story.told == ["opened prober-down high 19"]
    assert story.all_of(Opened)[0].breach.cause is Cause.CLOCK
    assert "clock" in story.all_of(Opened)[0].breach.summary


def test_a_prober_an_hour_behind_is_down_for_its_clock() -> None:
    story = Story.under(plan(silent()))
    for second in range(1, 40):
        story.take(batch(second, *([ok(second - 3600)] if second % 5 == 0 else [])))
    assert story.told == ["opened prober-down high 14"]
    assert story.all_of(Opened)[0].breach.cause is Cause.CLOCK


def test_a_prober_that_catches_up_on_what_it_could_not_send_has_no_wrong_clock() -> None:
    # given a prober that was cut off from the bus for half a minute and went on looking
    story = Story.under(plan(silent(), down())).see(ok(5)).tick(35)
    # when the cable is back, what it saw comes first, batch by batch, and others' records in between
    story.take(batch(36, ok(10), ok(15)), Tick(at(36.2)), batch(36.4, ok(20)), Tick(at(36.6)))
    story.see(ok(36.8))
    # then it was silent, no more and no less
    assert story.told == ["opened prober-down high 15.1", "cleared prober-down healed 36.9"]


def test_a_clock_that_goes_wrong_while_its_prober_is_silent_is_said_to_be_wrong() -> None:
    story = Story.under(plan(silent(), down())).see(ok(5)).tick(20)
    for second in range(21, 29):
        story.take(batch(second, ok(second + 3600)))
    assert story.told == ["opened prober-down high 15.1", "changed prober-down high 26"]


def test_a_clock_set_right_heals_its_prober() -> None:
    story = Story.under(plan(silent(), down())).see(ok(5))
    for second in range(6, 30):
        story.take(batch(second, ok(second + 3600)))
    story.see(ok(30)).hear(34).see(ok(35))
    assert story.told == ["opened prober-down high 15.1", "cleared prober-down healed 30.1"]


def test_the_open_set_is_stated_with_every_plan_and_every_minute() -> None:
    story = Story.under(plan(down(1, 1))).hear(4).see(failed_at := ok(5))
    assert failed_at.due_at_ns == at(5)
    story.hear(125).take(PlanApplied(at(126), plan(down(1, 1))))
    stated = [round((one.at_ns - at(0)) / 1e9) for one in story.all_of(OpenSet)]
    assert stated == [0, 60, 120, 126]


def test_a_verdict_in_the_record_of_an_open_set_is_newer_than_it() -> None:
    story = Story.under(plan(down(1, 1)))
    stated = story.all_of(OpenSet)[0]
    story.take(batch(0, *[ok(-1)]))
    story.take(batch(0, *[ok(0)._replace(outcome="failed")]))  # type: ignore[arg-type]  # a word is as good here
    assert story.all_of(Opened)[0].breach.rev > stated.as_of
