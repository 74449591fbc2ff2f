"""What the page shows, from real events on a real bus."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from shared import contracts as c
from shared.values import Outcome
from tests.component.console.visiting import SAME, page_says, until, visiting
from tests.component.console.world import INCIDENT, MAIN, RESPONDER, Console, World, console

pytestmark = pytest.mark.asyncio(loop_scope="module")


def row(page: str, check: str) -> str:
    return page.split(f'id="check.{check}.{MAIN}"')[1].split("</li>", maxsplit=1)[0]


async def incident_story(there: World) -> None:
    now = there.clock.now()
    await there.say(
        there.opened(now - timedelta(minutes=7)),
        there.incident(c.IncidentOpened, 1, c.Stage.ALERT),
        there.receipt("ana", c.PageState.QUEUED, "sms"),
        there.receipt("ana", c.PageState.FAILED_PERMANENT, "sms", reason="21211: not a phone number"),
        there.receipt("ana", c.PageState.ACCEPTED, "email"),
        there.receipt("joao", c.PageState.DEAD, None, rung=1, undeliverable=True, reason="no channel is left"),
    )


async def test_without_a_configuration_the_page_says_what_to_do(there: World) -> None:
    async with console(there) as shown, visiting(shown.url) as ana:
        page = await page_says(ana, "No configuration has been applied")
        assert "Nothing is watched yet" in page


async def test_a_console_waits_alive_and_not_ready_for_its_configuration(there: World) -> None:
    async with console(there) as shown, httpx.AsyncClient(base_url=shown.ops, trust_env=False) as ops:
        assert (await ops.get("/livez")).status_code == 200
        assert "hypercare apply" in (await ops.get("/readyz")).text
        await there.apply()

        async def is_ready() -> bool:
            return (await ops.get("/readyz")).status_code == 200

        await until(is_ready, "ready")


async def test_every_check_shows_its_last_result_in_words(there: World, shown: Console) -> None:
    async with visiting(shown.url) as ana:
        await page_says(ana, "web-health")
        await there.sample("web-health", Outcome.FAILED, 0.02, reason="answered <500>", code="status")
        await there.sample("db-status", Outcome.OK, 1.239)
        await there.sample("web-login", Outcome.UNKNOWN, 0.1, reason="prober late")
        page = await page_says(ana, "answered &lt;500&gt;")
        assert "failed" in row(page, "web-health")
        assert "1.24 s" in row(page, "db-status")
        assert "prober late" in row(page, "web-login")
        assert "unknown" in row(page, "web-login")
        assert "waiting" in row(page, "nightly-backup")


async def test_an_incident_shows_its_stage_its_clock_and_each_pages_way(there: World, shown: Console) -> None:
    await incident_story(there)
    async with visiting(shown.url) as ana:
        page = await page_says(ana, "could not be delivered: nobody was reached")
        assert "1 incident open, not acknowledged" in page
        assert "left in this stage" in page
        assert re.search(r"Ana Sommer.*accepted by the provider.*21211: not a phone number", page, re.DOTALL)
        assert re.search(r"João Prado.*could not be delivered", page, re.DOTALL)
        assert "2 of 3 probes failed" in page  # what the rule of the open breach watches


async def test_a_restarted_console_shows_the_same(there: World) -> None:
    await there.apply()
    await there.hour()
    await incident_story(there)
    seen = []
    for _ in range(2):
        async with console(there) as shown, visiting(shown.url) as ana:
            await page_says(ana, "slowest 5")
            page = await page_says(ana, "1 page could not be delivered")
            seen.append(re.sub(r"data-(now|news)=\"\d*\"|\d+ (s|min|h)\b|hypercare_\d+", "", _incidents(page)))
    assert seen[0] == seen[1]


def _incidents(page: str) -> str:
    return page.split('<section id="incidents"')[1].split('<section id="checks"', maxsplit=1)[0]


async def test_two_replicas_show_the_same(there: World) -> None:
    await there.apply()
    async with console(there) as one, console(there, instance="console-1") as two:
        await incident_story(there)
        async with visiting(one.url) as ana, visiting(two.url) as also_ana:
            for client in (ana, also_ana):
                await page_says(client, "1 page could not be delivered")


async def test_changes_arrive_by_themselves(there: World, shown: Console) -> None:
    async with visiting(shown.url) as ana:
        await page_says(ana, "No incident is open.")
        await page_says(ana, "web-health")
        await _watch(there, ana)


async def _watch(there: World, ana: httpx.AsyncClient) -> None:
    async with ana.stream("GET", "/events") as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        lines = events.aiter_lines()
        await _line(lines, "event: beat")
        await incident_story(there)
        await _line(lines, f'id="card.{INCIDENT}"')
        await there.sample("web-health", Outcome.FAILED, 0.02, reason="refused")
        await _line(lines, "refused")


async def _line(lines: AsyncIterator[str], words: str) -> str:
    async with asyncio.timeout(15):
        async for line in lines:
            if words in line:
                return line
    raise AssertionError(f"the stream ended before {words!r}")


async def test_the_timeline_is_read_with_the_viewers_own_token_and_escaped(there: World, shown: Console) -> None:
    await incident_story(there)
    async with visiting(shown.url) as ana:
        page = await page_says(ana, "checking the front end", f"/incidents/{INCIDENT}")
        assert "&lt;b&gt;database&lt;/b&gt;" in page
        assert (f"/api/v1/incidents/{INCIDENT}/timeline", RESPONDER) in [one[:2] for one in there.incidents.asked]
        assert "Watched well" not in page


async def test_in_resolution_the_watch_is_counted_down(there: World, shown: Console) -> None:
    await incident_story(there)
    there.incidents.stage = "resolution"
    async with visiting(shown.url) as ana:
        page = await page_says(ana, "Watched well", f"/incidents/{INCIDENT}")
    assert "Watched well for <strong>10 min 5 s</strong> of 30 min 0 s" in page
    assert re.search(r'over in <strong class="time" data-until="\d{13}">19 min 55 s</strong> if all stays well', page)


@pytest.mark.parametrize("odd", ["a%3Fb", "a%23b"])
async def test_whatever_stands_in_the_address_stays_one_step_of_the_path(
    there: World, shown: Console, odd: str
) -> None:
    async with visiting(shown.url) as ana:
        await ana.get(f"/incidents/{odd}/timeline")
    assert f"/api/v1/incidents/{odd}/timeline" in [path for path, *_ in there.incidents.asked]


async def test_an_action_is_asked_in_the_persons_name(there: World, shown: Console) -> None:
    await incident_story(there)
    base = f"/api/v1/incidents/{INCIDENT}"
    async with visiting(shown.url) as ana:
        for action, form in (
            ("note", {"text": "looking"}),
            ("advance", {"text": "assessed", "override": "on"}),
            ("resolve", {"text": "rolled back"}),
        ):
            assert (await ana.post(f"/incidents/{INCIDENT}/{action}", data=form, headers=SAME)).status_code == 303
    assert there.incidents.asked == [
        (f"{base}/notes", RESPONDER, {"text": "looking"}),
        (f"{base}/advance", RESPONDER, {"reason": "assessed", "override": True}),
        (f"{base}/resolve", RESPONDER, {"summary": "rolled back"}),
    ]


async def test_a_refusal_is_shown_in_the_services_own_words(there: World, shown: Console) -> None:
    await incident_story(there)
    there.incidents.refuses = "the gate is not met: System operational?"
    async with visiting(shown.url) as ana:
        await page_says(ana, "2026-02-20-web-down")
        answer = await ana.post(f"/incidents/{INCIDENT}/advance", headers=SAME)
        assert answer.status_code == 409
        assert "the gate is not met: System operational?" in answer.text
        answer = await ana.post(f"/incidents/{INCIDENT}/resolve", headers={**SAME, "x-requested-with": "console"})
        assert answer.text == "Say what was done: everyone who was paged reads it."


async def test_a_bus_that_restarts_is_said_and_read_again(there: World, shown: Console) -> None:
    async with visiting(shown.url) as ana:
        await page_says(ana, "web-health")
        there.server.kill()
        page = await page_says(ana, "the bus is away")
        assert "Everything is fine" not in page
        there.server.start()
        await there.say(there.incident(c.IncidentOpened, 1, c.Stage.ALERT))
        await page_says(ana, "1 incident open, not acknowledged")
        await there.sample("web-health", Outcome.FAILED, 0.02, reason="after the restart")
        await page_says(ana, "after the restart")


async def test_stopping_ends_open_streams_at_once(there: World) -> None:
    running = console(there)
    shown = await running.__aenter__()
    async with visiting(shown.url) as ana, ana.stream("GET", "/events") as events:
        lines = events.aiter_lines()
        await _line(lines, "event: beat")
        stopping = asyncio.create_task(running.__aexit__(None, None, None))
        async with asyncio.timeout(5):
            async for _ in lines:  # until the console ends it, cleanly
                pass
    await stopping
