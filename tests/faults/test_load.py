"""Two hundred checks a second on two replicas of everything, and each replica killed in turn."""

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.faults.house import KILLABLE, PAIRS, House, running_house
from tests.faults.light import Light, running_light
from tests.faults.load import Load, watching
from tests.faults.outside import say, until
from tests.faults.story import Story

LOAD: Final = Load(services=8, checks=25)


@pytest.fixture
def light() -> Iterator[Light]:
    with running_light() as light:
        yield light


@pytest.fixture
def house(light: Light, tmp_path: Path) -> Iterator[House]:
    file = tmp_path / "load.yaml"
    file.write_text(LOAD.configuration(light.url), encoding="utf-8")
    with running_house(PAIRS, file) as house:
        yield house


@pytest.mark.timeout(1200)
async def test_each_replica_killed_in_turn_under_load(house: House, light: Light) -> None:
    story = await Story.begin(house)
    names = [(service, name) for service in KILLABLE for name in house.replicas(service)]
    count = 0
    async with watching(house) as watch:

        async def is_heard() -> bool | None:
            return True if sum(map(len, watch.batches.values())) > LOAD.services * 10 else None

        await until(is_heard, "every partition is heard of")
        for service, name in names:
            light.answer_with(500)
            killed_at = time.monotonic()
            old = house.signal(name, signal.SIGKILL)
            count += 1
            await LOAD.all_have(story, count)
            say(f"  {name} killed: 200 breaches after {time.monotonic() - killed_at:.1f} s")
            await LOAD.all_open(house)
            say(f"    in incidents after {time.monotonic() - killed_at:.1f} s")
            await house.restarted(name, old)
            light.answer_with(200)
            count += 1
            await LOAD.all_have(story, count)
            await asyncio.sleep(1)  # so that what comes after a take-over is heard
            gaps = watch.take_over(service, name, killed_at)
            for what, gap in sorted(gaps.items()):
                say(f"    take-over of {what}: {gap:.2f} s")
            assert all(gap < 30 for gap in gaps.values()), gaps
    await LOAD.is_whole(story)
