"""Killed anywhere, an evaluator goes on where it was: what is stored is what an undisturbed engine says to the log."""

import signal
from datetime import timedelta

import pytest

from shared.contracts import BreachOpened
from tests.integration.evaluator.stage import Stage, eventually
from tests.integration.evaluator.telling import configuration

POINTS = ("publish.before", "publish.after", "checkpoint.before", "checkpoint.after")


async def test_killed_at_half_of_for_and_in_a_streak_it_breaches_at_the_unbroken_minute(stage: Stage) -> None:
    await stage.apply(configuration())
    first = stage.start()
    await stage.until_configured()
    prober = stage.prober()
    # given a check that has failed once, then for 10 of the 20 seconds that `down-long` wants
    await prober.ok(0, 1, 2)
    await prober.failed(3)
    first.kill()
    second = stage.start()
    await prober.failed(*range(4, 14))
    await stage.until_told("opened down")
    second.kill()
    # when it goes on failing while nobody looks, and somebody looks again
    await prober.failed(*range(14, 20))
    stage.start()
    await prober.failed(*range(20, 26))
    # then the breach begins and opens when it would have without any kill
    await stage.until_told("opened down-long")
    await stage.until_read()
    opened = [one for one in await stage.breaches() if isinstance(one, BreachOpened)]
    assert [(one.key.rule, one.breach.began_at) for one in opened] == [
        ("down", prober.start + timedelta(seconds=4)),
        ("down-long", prober.start + timedelta(seconds=4)),
    ]


@pytest.mark.parametrize("point", POINTS)
async def test_killed_around_a_publish_or_a_checkpoint_it_loses_nothing_and_invents_nothing(
    stage: Stage, point: str
) -> None:
    await stage.apply(configuration(restate="1s"))
    # The marker and the first heartbeats are published too: verdicts come after them.
    doomed = stage.start(armed=(point, 6 if point.startswith("publish") else 3), checkpoint_every_records="3")
    prober = stage.prober()

    async def tell(start: int) -> None:
        for second in range(start, start + 12, 6):
            await prober.failed(second, second + 1, second + 2)
            await prober.ok(second + 3, second + 4, second + 5)

    async def is_dead() -> bool:
        return doomed.popen.poll() is not None

    await tell(0)
    await eventually(is_dead, f"killed at {point}")
    assert doomed.popen.returncode == -signal.SIGKILL
    await tell(12)
    stage.start(checkpoint_every_records="3")
    await stage.until_configured()
    await tell(24)
    await stage.until_told("opened down", "cleared down")
    await stage.until_read()
