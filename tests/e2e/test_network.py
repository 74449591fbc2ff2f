"""The cable between a service and the bus or the database pulled out and put back: it heals by itself."""

import pytest

from tests.e2e.stack import Stack, lasting
from tests.faults.checks import check
from tests.faults.outside import say
from tests.faults.story import Story

CUT_S = 12.0
CABLES = [
    *((service, "bus") for service in ("prober", "evaluator", "incidents", "notifier", "console")),
    *((service, "data") for service in ("incidents", "notifier")),
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("service", "network"), CABLES, ids=[f"{service}-{network}" for service, network in CABLES])
async def test_a_service_cut_off_while_it_is_needed_catches_up_when_the_cable_is_back(
    stack: Stack, service: str, network: str
) -> None:
    container = await stack.container(service)
    story = await Story.begin(stack)

    async with stack.cut_off(container, network):
        await stack.switch("errors")
        await lasting(CUT_S)

    await story.breached()
    await story.opened()
    await story.press(await story.paged())
    await story.acknowledged()
    await story.to_response()
    await stack.switch("healthy")
    await story.healed()
    await story.resolve_and_close()
    await stack.ready(service)
    ways = await check(story, silent=service == "prober")
    say(f"  {service} without {network}: unknown {[way.words for way in ways if way.unknown] or 'none'}")
