"""Each container killed, and then frozen, in the middle of a story: late is allowed, lost and doubled are not."""

import pytest

from tests.e2e.stack import Stack, lasting
from tests.faults.checks import check
from tests.faults.outside import say
from tests.faults.story import Story

FROZEN_S = 6.0
EARLY = ("prober", "evaluator")
"""What has its work before there is a verdict; the others have theirs after it."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "service", ["prober", "evaluator", "incidents", "notifier", "console", "gateway", "nats", "postgres"]
)
async def test_a_container_killed_and_then_frozen_mid_story(stack: Stack, service: str) -> None:
    container = await stack.container(service)
    story = await Story.begin(stack)
    await stack.switch("errors")
    if service not in EARLY:
        await story.breached()

    await stack.kill(container)

    await story.breached()
    await story.opened()
    page = await story.paged()
    await stack.ready(service)
    if service not in EARLY:
        async with stack.paused(container):
            await lasting(FROZEN_S)
    await story.press(page)
    await story.acknowledged()
    await story.to_response()
    await stack.switch("healthy")
    if service in EARLY:
        async with stack.paused(container):
            await lasting(FROZEN_S)
    await story.healed()
    await story.resolve_and_close()
    ways = await check(story, silent=service == "prober")
    say(f"  {service}: unknown {[way.words for way in ways if way.unknown] or 'none'}")
