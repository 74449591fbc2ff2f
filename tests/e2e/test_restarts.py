"""Everything restarted in order, one after the other, with faults in between; and both servers killed at once."""

import asyncio

import pytest

from tests.e2e.stack import SERVICES, Stack
from tests.faults.checks import check
from tests.faults.outside import say
from tests.faults.story import Story


@pytest.mark.timeout(900)
async def test_a_rolling_restart_with_a_fault_or_its_healing_at_each_step(stack: Stack) -> None:
    story = await Story.begin(stack)
    await stack.switch("errors")
    await story.opened()
    await story.press(await story.paged())
    for said, service in enumerate((*SERVICES, "gateway", "nats", "postgres"), start=1):  # odd: it is broken
        restarting = asyncio.create_task(stack.restart(await stack.container(service)))
        await stack.switch("healthy" if said % 2 else "errors")
        await restarting
        await story.verdicts(said + 1)
        await stack.ready(service)
        say(f"  {service} restarted: {said + 1} verdicts")
    said = len(await story.said("BREACHES"))
    if said % 2:
        await stack.switch("healthy")
        await story.verdicts(said + 1)
    await story.resolve_and_close()
    await check(story, verdicts=["opened", "cleared"] * ((said + 1) // 2))


@pytest.mark.timeout(600)
async def test_bus_and_database_killed_at_once_before_the_page_is_out(stack: Stack) -> None:
    story = await Story.begin(stack)
    await stack.switch("errors")
    await story.breached()

    await asyncio.gather(*[stack.kill(await stack.container(server)) for server in ("nats", "postgres")])

    await story.opened()
    await story.press(await story.paged())
    await story.acknowledged()
    await story.to_response()
    await stack.switch("healthy")
    await story.healed()
    await story.resolve_and_close()
    await check(story)
