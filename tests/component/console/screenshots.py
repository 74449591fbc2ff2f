"""Retake the console's screenshots: `python -m tests.component.console.screenshots FOLDER`.

A real console on a real bus with a story worth looking at, in a real browser: phone and desktop, light and dark.
"""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

from shared import contracts as c
from shared.values import IncidentId, Outcome
from tests.component.console.browser import Browser, chromium, running_browser
from tests.component.console.world import INCIDENT, RESPONDER, World, console, world
from tests.fakes.servers import start_guarded_nats

SIZES = {"phone": (360, 780), "desktop": (1280, 900)}
READY = "document.querySelector('#live')?.dataset.state === 'live'"
OLD = IncidentId("019c79b5-3a2a-7c31-9b8e-5f0c2d6e7a11")


async def _well(there: World) -> None:
    await there.hour()
    now = there.clock.now()
    for look in range(40):
        for check in ("web-health", "web-metrics", "web-login", "db-status", "db-replica"):
            took = 0.15 + 0.004 * ((look * 13 + len(check)) % 11)
            values = {"cache_hit_rate": 86.5} if check == "web-metrics" else {}
            await there.sample(check, took_s=took, at=now - timedelta(seconds=(40 - look) * 2), values=values)
    await there.sample("nightly-backup", took_s=0.0, at=now - timedelta(hours=7))


async def _ill(there: World) -> None:
    now = there.clock.now()
    for n in range(3):
        at = now + timedelta(seconds=n / 10)
        await there.sample(
            "web-health", Outcome.FAILED, 0.021, at=at, reason="answered 500, expected 200", code="status"
        )
    await there.sample("web-login", Outcome.UNKNOWN, 2.0, at=now, reason="prober late: the loop stalled for 1.4 s")
    await there.sample("db-replica", took_s=1.24, at=now)
    await there.say(
        there.opened(now - timedelta(minutes=7)),
        there.incident(c.IncidentOpened, 1, c.Stage.ALERT, stage_due_at=now - timedelta(seconds=134)),
        there.receipt("ana", c.PageState.QUEUED, "sms"),
        there.receipt("ana", c.PageState.FAILED_PERMANENT, "sms", reason="21211: not a phone number"),
        there.receipt("ana", c.PageState.ACCEPTED, "email"),
        there.receipt("ana", c.PageState.DELIVERED, "email"),
        there.receipt("joao", c.PageState.FAILED_TRANSIENT, "email", rung=1, attempt=3, reason="451: greylisted"),
        there.receipt("joao", c.PageState.DEAD, None, rung=1, undeliverable=True, reason="no channel is left"),
        there.incident(
            c.IncidentAcknowledged, 2, c.Stage.RESPONSE, incident=OLD, name="2026-02-20-queries-slow", service="erp-db",
            symptom="queries-slow", severity="high", acknowledged_by="joao", summary="p95 of query_p95 is 61 ms",
        ),
        there.receipt("joao", c.PageState.ACKNOWLEDGED, None, incident=OLD),
    )  # fmt: skip


async def _shoot(browser: Browser, url: str, folder: Path, name: str, ready: str) -> None:
    for size, (width, height) in SIZES.items():
        for scheme in ("light", "dark"):
            tab = await browser.open(f"{url}/#token={RESPONDER}", width, height, dark=scheme == "dark")
            await tab.until(f"{READY} && {ready}")
            if name == "incident":
                await tab.value(f"document.getElementById('timeline.{INCIDENT}').open = true")
                await tab.value(f"document.getElementById('more.{INCIDENT}').open = true")
                await tab.until("document.querySelector('.entries')")
            await tab.screenshot(folder / f"{name}-{size}-{scheme}.png")
            wide = await tab.value("document.documentElement.scrollWidth > document.documentElement.clientWidth")
            print(name, size, scheme, "SCROLLS SIDEWAYS" if wide else "fits")  # noqa: T201  # a script's answer
            await tab.close()


async def main(folder: Path) -> None:
    """Take all of them."""
    binary = chromium()
    if binary is None:
        raise SystemExit("no chromium here")
    folder.mkdir(parents=True, exist_ok=True)
    server = start_guarded_nats()
    try:
        async with (
            world(server) as there,
            there.breathing(),
            console(there) as shown,
            running_browser(binary) as browser,
        ):
            await _shoot(browser, shown.url, folder, "empty", "document.querySelector('.nothing')")
            await there.apply()
            await _well(there)
            await _shoot(browser, shown.url, folder, "well", "document.querySelector('.headline.ok')")
            await _ill(there)
            await _shoot(browser, shown.url, folder, "incident", "document.querySelector('.headline.bad')")
            tab = await browser.open(f"{shown.url}/login", 360, 780)
            await tab.screenshot(folder / "login-phone-light.png")
            print(browser.problems)  # noqa: T201  # a script's answer
    finally:
        server.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
