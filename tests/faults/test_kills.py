"""Twenty SIGKILLs at named points, each in the middle of a full story: no page lost, none doubled without `unknown`.

Repeat one alone with `pytest tests/faults/test_kills.py -k "seed7- and paired"`.
"""

import random
from dataclasses import dataclass

import pytest

from tests.faults.checks import check
from tests.faults.house import KILLABLE, House
from tests.faults.outside import say, until
from tests.faults.story import Story

POINTS = {
    "prober": {"publish.before": 12, "publish.after": 12},
    "evaluator": {"publish.before": 15, "publish.after": 15, "checkpoint.before": 1, "checkpoint.after": 1},
    "incidents": {
        "commit.before": 12, "commit.after": 12, "publish.before": 10, "publish.after": 10, "ack.before": 8,
        "ack.after": 8,
    },
    "notifier": {
        "commit.before": 12, "commit.after": 12, "publish.before": 10, "publish.after": 10, "ack.before": 3,
        "ack.after": 3, "send.before": 3, "send.during": 3, "send.after": 3,
    },
}  # fmt: skip
"""Per service and point: how many arrivals a story has for certain."""


@dataclass(frozen=True)
class Death:
    """Where a replica of a service dies."""

    service: str
    point: str
    count: int

    def __str__(self) -> str:
        return f"{self.service} {self.point} {self.count}"


def death_of(seed: int) -> Death:
    """Draw a death: every service gets its share, the point and the count are chance."""
    chance = random.Random(seed)  # noqa: S311  # a seed to repeat it by
    service = KILLABLE[seed % len(KILLABLE)]
    point = chance.choice(sorted(POINTS[service]))
    return Death(service, point, chance.randint(1, POINTS[service][point]))


@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", range(20), ids=lambda seed: f"seed{seed}-")
async def test_a_kill_at_a_named_point_loses_no_page(house: House, seed: int) -> None:
    death = death_of(seed)
    say(f"seed {seed}: {death}")
    story = await Story.begin(house)
    house.arm(death.service, death.point, death.count)

    await story.run()

    async def has_struck() -> bool | None:
        return None if house.is_armed(death.service) else True

    await until(has_struck, f"{death} strikes")
    await house.all_ready()
    ways = await check(story)
    say(f"  unknown: {[way.words for way in ways if way.unknown] or 'none'}")
