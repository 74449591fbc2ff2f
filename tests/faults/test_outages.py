"""The bus or the database away for 15 s and more, mid-story: late is allowed, lost and doubled are not."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator

import pytest

from tests.faults.checks import check
from tests.faults.house import House
from tests.faults.outside import until
from tests.faults.story import Story

FROZEN = "frozen"
KILLED = "killed"


@contextlib.asynccontextmanager
async def away(house: House, name: str, how: str, for_s: float) -> AsyncIterator[None]:
    """Keep a server from answering for so long at least, and longer if the block takes longer.

    Killed, it is started again by the supervisor at once: that one is then kept from answering.
    """
    began = time.monotonic()
    if how == KILLED:
        old = house.signal(name, signal.SIGKILL)

        async def again() -> bool | None:
            with contextlib.suppress(ValueError, OSError):
                return True if house.pids().get(name, old) != old else None
            return None

        await until(again, f"{name} is started again")
    house.signal(name, signal.SIGSTOP)
    try:
        yield
        await asyncio.sleep(max(0.0, began + for_s - time.monotonic()))  # the outage itself, not a wait for anything
    finally:
        house.signal(name, signal.SIGCONT)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("for_s", [15, 45])
@pytest.mark.parametrize("how", [FROZEN, KILLED])
@pytest.mark.parametrize("server", ["nats", "postgres"])
async def test_a_server_away_when_it_breaks(house: House, server: str, how: str, for_s: int) -> None:
    story = await Story.begin(house)
    await house.switch("errors")
    async with away(house, server, how, for_s):
        pass
    await story.breached()
    await story.opened()
    await story.press(await story.paged())
    await story.acknowledged()
    await story.to_response()
    await house.switch("healthy")
    await story.healed()
    await story.resolve_and_close()
    await check(story)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("for_s", [15, 45])
@pytest.mark.parametrize("how", [FROZEN, KILLED])
@pytest.mark.parametrize("server", ["nats", "postgres"])
async def test_a_server_away_between_the_page_and_its_acknowledgement(
    house: House, server: str, how: str, for_s: int
) -> None:
    """With the bus away the link works all the same: the notifier keeps acknowledgements itself."""
    story = await Story.begin(house)
    await house.switch("errors")
    await story.opened()
    page = await story.paged()
    async with away(house, server, how, for_s):
        if server == "nats":
            began = time.monotonic()
            await story.press(page)
            assert time.monotonic() - began < for_s, "the acknowledgement waited for the bus"
    if server == "postgres":
        await story.press(page)
    await story.acknowledged()
    await story.to_response()
    await house.switch("healthy")
    await story.healed()
    await story.resolve_and_close()
    await check(story)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("server", ["nats", "postgres"])
async def test_rungs_missed_in_an_outage_are_not_rung_in_a_burst(house: House, server: str) -> None:
    """Nobody acknowledges, and the outage is longer than two steps' waits: afterwards one step is rung, not three."""
    story = await Story.begin(house)
    await house.switch("errors")
    await story.opened()
    await story.paged()
    async with away(house, server, FROZEN, 75):
        pass

    async def second_step() -> list[int] | None:
        pages = (await house.incidents(f"/{story.incident}"))["pages"]
        rungs = [one["rung"] for one in pages if one["kind"] == "page"]
        return rungs if len(rungs) > 1 else None

    assert await until(second_step, "the next step is rung") == [0, 1]
    await story.press(await story.paged())
    await story.acknowledged()
    await story.to_response()
    await house.switch("healthy")
    await story.healed()
    await story.resolve_and_close()
    await check(story)
