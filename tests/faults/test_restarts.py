"""Services told to go, one after the other, while faults come and go: nothing lost, nothing doubled."""

import signal

import pytest

from tests.faults.checks import check
from tests.faults.house import KILLABLE, House
from tests.faults.story import Story


@pytest.mark.timeout(600)
async def test_a_rolling_restart_while_faults_come_and_go(house: House) -> None:
    story = await Story.begin(house)
    names = [name for service in KILLABLE for name in house.replicas(service)]
    await house.switch("errors")
    await story.opened()
    await story.press(await story.paged())
    for said, name in enumerate(names, start=1):  # odd: it is broken at the moment
        old = house.signal(name, signal.SIGTERM)
        await house.switch("healthy" if said % 2 else "errors")
        await story.verdicts(said + 1)
        await house.restarted(name, old)
    said = len(await story.said("BREACHES"))
    if said % 2:
        await house.switch("healthy")
        await story.verdicts(said + 1)
    await story.resolve_and_close()
    await check(story, verdicts=["opened", "cleared"] * ((said + 1) // 2))
