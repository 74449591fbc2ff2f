"""Replicas added, killed and taken away under load: no verdict and no page lost or doubled."""

import time
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.conftest import Yard
from tests.e2e.engine import crash
from tests.e2e.stack import lasting, running_stack
from tests.faults.light import Light
from tests.faults.load import Load, watching
from tests.faults.outside import say, until
from tests.faults.story import Story

LOAD: Final = Load(services=8, checks=12)
MORE: Final = {"prober": 2, "evaluator": 3, "incidents": 2, "notifier": 2}


@pytest.mark.timeout(1200)
async def test_scaled_up_killed_and_scaled_down_under_load(yard: Yard, tmp_path: Path) -> None:
    yard.leave()  # one stack at a time: two would be a test of this machine
    file = tmp_path / "load.yaml"
    file.write_text(LOAD.configuration("http://light:8080"), encoding="utf-8")
    file.chmod(0o644)
    tmp_path.chmod(0o755)
    with running_stack(profiles=("example", "load")) as stack:
        await stack.apply(file)
        light = Light(stack.url("light"))
        story = await Story.begin(stack)
        async with watching(stack) as watch:

            async def is_heard() -> bool | None:
                return True if sum(map(len, watch.batches.values())) > LOAD.services * 5 else None

            await until(is_heard, "every partition is heard of")
            light.answer_with(500)
            began = time.monotonic()
            await stack.scale_to(**MORE)
            say(f"  scaled to {MORE} in {time.monotonic() - began:.1f} s")
            await LOAD.all_have(story, 1)
            await LOAD.all_open(stack)
            said = 1
            for service in MORE:
                container = (await stack.containers(service))[-1]
                light.answer_with(500 if said % 2 == 0 else 200)
                killed_at = time.monotonic()
                await crash(container)
                said += 1
                await LOAD.all_have(story, said)
                say(f"  {container} killed: {LOAD.services * LOAD.checks} verdicts in {_since(killed_at)}")
                await stack.ready(service)
                await lasting(1)  # so that what comes after a take-over is heard
                for what, gap in sorted(watch.take_over(service, await stack.hostname(container), killed_at).items()):
                    say(f"    take-over of {what}: {gap:.2f} s")
            light.answer_with(500 if said % 2 == 0 else 200)
            began = time.monotonic()
            await stack.scale_to(**dict.fromkeys(MORE, 1))
            say(f"  scaled down to one each in {_since(began)}")
            await LOAD.all_have(story, said + 1)
        await LOAD.is_whole(story)


def _since(began: float) -> str:
    return f"{time.monotonic() - began:.1f} s"
