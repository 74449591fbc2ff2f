"""Every cell of the table in pending.py, and the two traces that were checked against Prometheus."""

import pytest

from services.evaluator.domain.pending import NEVER, Pending, Phase

FOR, KEEP = 30, 60


def in_phase(phase: Phase, for_ns: int = FOR, keep_ns: int = KEEP) -> Pending:
    """A condition that became true at 100 (and, keeping, false at 200)."""
    one = Pending(for_ns, keep_ns)
    if phase is not Phase.IDLE:
        one.holds(100, 0.5)
    if phase is Phase.FIRING:
        one.holds(100 + for_ns, 0.5)
    if phase is Phase.KEEPING:
        one.holds(100 + for_ns, 0.5)
        one.ends(200)
    assert one.phase is phase
    return one


@pytest.mark.parametrize(
    ("phase", "instant", "then", "deadline"),
    [
        (Phase.IDLE, 500, Phase.PENDING, 530),
        (Phase.PENDING, 129, Phase.PENDING, 130),
        (Phase.PENDING, 130, Phase.FIRING, NEVER),
        (Phase.FIRING, 210, Phase.FIRING, NEVER),
        (Phase.KEEPING, 210, Phase.FIRING, NEVER),
    ],
)
def test_a_condition_holds(phase: Phase, instant: int, then: Phase, deadline: int) -> None:
    one = in_phase(phase)
    one.holds(instant, 0.1)
    assert (one.phase, one.deadline_ns) == (then, deadline)


@pytest.mark.parametrize(
    ("phase", "instant", "then", "deadline"),
    [
        (Phase.IDLE, 500, Phase.IDLE, NEVER),
        (Phase.PENDING, 129, Phase.IDLE, NEVER),
        (Phase.FIRING, 210, Phase.KEEPING, 270),
        (Phase.KEEPING, 259, Phase.KEEPING, 260),
        (Phase.KEEPING, 260, Phase.IDLE, NEVER),
    ],
)
def test_a_condition_ends(phase: Phase, instant: int, then: Phase, deadline: int) -> None:
    one = in_phase(phase)
    one.ends(instant)
    assert (one.phase, one.deadline_ns) == (then, deadline)


@pytest.mark.parametrize(("phase", "then"), [(Phase.PENDING, Phase.FIRING), (Phase.KEEPING, Phase.IDLE)])
def test_a_deadline_passes(phase: Phase, then: Phase) -> None:
    one = in_phase(phase)
    one.expire()
    assert (one.phase, one.deadline_ns) == (then, NEVER)


def test_without_durations_a_condition_counts_and_ends_at_once() -> None:
    one = Pending(0, 0)
    one.holds(5, 0.1)
    assert one.is_firing
    one.ends(6)
    assert one.phase is Phase.IDLE


def test_true_again_while_keeping_keeps_its_beginning() -> None:
    one = in_phase(Phase.KEEPING)
    one.holds(220, 9.9)
    assert (one.since_ns, one.took_s) == (100, 0.5)


@pytest.mark.parametrize(("hole", "then"), [(FOR, Phase.PENDING), (FOR + 1, Phase.IDLE)])
def test_a_hole_longer_than_for_forgets_what_was_pending(hole: int, then: Phase) -> None:
    one = in_phase(Phase.PENDING)
    one.forget(hole)
    assert one.phase is then


def test_for_of_five_minutes_fires_at_the_fifth() -> None:
    one = Pending(5, 0)
    fired = []
    for minute in range(8):
        one.holds(minute, None)
        if one.is_firing:
            fired.append(minute)
    assert fired == [5, 6, 7]


def test_keep_firing_of_three_minutes_resolves_at_the_third_false() -> None:
    one = Pending(0, 3)
    for minute in range(8):
        one.holds(minute, None)
    kept = []
    for minute in range(8, 12):
        one.ends(minute)
        kept.append(one.is_firing)
    assert kept == [True, True, True, False]
