"""The whole machine dies in the middle of a streak and of a `for`: it breaches at the unbroken minute all the same."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from shared.contracts import BreachOpened, SampleBatch
from shared.contracts.incidents import IncidentEvent
from shared.values import Outcome
from tests.fakes.erp import Erp, running_erp
from tests.faults.checks import everything_is_said, incident_is_sound, ledger_is_whole, sinks_agree
from tests.faults.house import House, running_house
from tests.faults.outside import say, until
from tests.faults.story import Story

EVERY = timedelta(seconds=20)


@pytest.fixture
async def erp() -> AsyncIterator[Erp]:
    """A target on another machine, as it were: it does not die with the site."""
    async with running_erp() as erp:
        yield erp


@pytest.fixture
async def house(erp: Erp, tmp_path: Path) -> AsyncIterator[House]:
    file = tmp_path / "slow.yaml"
    file.write_text(Path(__file__).with_name("slow.yaml").read_text().replace("${ERP_URL}", erp.url))
    with running_house(file=file, start=False) as house:
        await asyncio.to_thread(house.start)  # the target answers in this very loop
        yield house
        await asyncio.to_thread(house.stop)


async def failed_at(house: House, check: str, after: int, count: int) -> list[datetime]:
    """Wait for so many failed samples of a check since a sequence of the log; returns their `due_at`."""

    async def look() -> list[datetime] | None:
        batches = [one.message for one in await house.stored("SAMPLES", after)]
        samples = [sample for one in batches if isinstance(one, SampleBatch) for sample in one.samples]
        bad = [one.due_at for one in samples if one.check == check and one.outcome is Outcome.FAILED]
        return bad if len(bad) >= count else None

    return await until(look, f"{count} failed samples of {check}")


async def breaches(story: Story) -> dict[str, list[BreachOpened]]:
    found: dict[str, list[BreachOpened]] = {}
    for one in await story.said("BREACHES"):
        if isinstance(one.message, BreachOpened):
            found.setdefault(one.message.key.rule, []).append(one.message)
    return found


@pytest.mark.timeout(500)
@pytest.mark.parametrize("keep_configuration", [True, False], ids=["last-applied", "same-file"])
async def test_killed_and_started_again_it_breaches_at_the_unbroken_minute(
    house: House, erp: Erp, *, keep_configuration: bool
) -> None:
    story = await Story.begin(house)
    log = (await house.last("SAMPLES"))["SAMPLES"]
    await erp.set_mode("errors")
    paged = await story.paged()
    incident = await story.opened("page-down")
    web = await failed_at(house, "web-health", log, 2)
    db = await failed_at(house, "db-health", log, 1)

    await asyncio.to_thread(house.kill_supervisor)
    await asyncio.to_thread(house.start, keep_configuration=keep_configuration)

    await story.breached("web-down")
    await story.breached("db-down")
    said = await breaches(story)
    assert {rule: len(found) for rule, found in said.items()} == {"web-down": 1, "db-down": 1, "page-down": 1}
    four = await failed_at(house, "web-health", log, 4)
    assert four[:2] == web, "two of the four were seen before it died"
    assert said["web-down"][0].breach.began_at == four[3]
    assert four[3] - four[2] == EVERY, "on the same grid as before"
    minute_over = db[0] + timedelta(minutes=1)
    firing = next(at for at in await failed_at(house, "db-health", log, 4) if at >= minute_over)
    assert said["db-down"][0].breach.began_at == db[0], "true since the first failure, before it died"
    assert said["db-down"][0].occurred_at - firing < EVERY, "said as soon as anybody could know that it held"
    missed = (four[2] - four[1]) // EVERY - 1
    say(f"  the fourth failure came {four[3] - four[0]} after the first; {missed} probes missed meanwhile")

    await story.press(paged)
    await story.acknowledged()
    events = [one.message for one in await story.said("INCIDENTS")]
    same = {one.incident for one in events if isinstance(one, IncidentEvent) and one.symptom == "page-down"}
    assert same == {incident.incident}
    await story.to_response()
    await erp.set_mode("healthy")
    await story.resolve_and_close()

    async def all_watched() -> bool | None:
        stages = [one["stage"] for one in await house.incidents("?state=open")]
        return True if stages == ["resolution"] * 2 else None

    await until(all_watched, "the two slow ones are well again")
    await everything_is_said(house)
    await sinks_agree(story, await ledger_is_whole(story))
    await incident_is_sound(story)
    assert not await story.said("DEAD")
