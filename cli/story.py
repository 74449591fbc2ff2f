"""One failure followed from hop to hop, by listening on the bus and looking into the inbox as anybody could."""

import asyncio
import os
import re
import signal
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx

from cli.listening import EACH_WITHIN_S, Listener, listening
from cli.reckoning import disagreements, is_settled, named, ways_of
from cli.runtime import example
from cli.runtime.processes import ProcessMark
from cli.runtime.site import Site
from cli.told import HOPS, Told
from shared.contracts import (
    BreachCleared,
    BreachOpened,
    IncidentAcknowledged,
    IncidentClosed,
    IncidentOpened,
    IncidentResolved,
)
from shared.kit.clock import SystemClock

RULE: Final = "web-down"
LOOK_EVERY_S: Final = 0.2
"""How often to ask. Each question costs the machine some ten milliseconds: the story must not slow what it tells."""
_LINK: Final = re.compile(r"https?://\S+/a/[\w.~-]+")

Say = Callable[[str], None]
T = TypeVar("T")


async def tell(site: Site, say: Say, *, kill: str | None = None, crash_file: Path | None = None) -> Told:
    """Break the example, follow the page, acknowledge, heal, resolve, close; `missing` names what never came."""
    told = Told()
    async with listening(site.system) as bus, httpx.AsyncClient(timeout=10, trust_env=False) as http:
        story = _Story(site, bus, http, told, say)
        try:
            await story.run(kill, crash_file)
            await story.reckon()
        except TimeoutError:
            told.missing = next((hop for hop in HOPS if hop not in told.at), "an end of every page")
            told.received = await story.received()
            say(f"{'':>10}  {told.missing} did not happen within {EACH_WITHIN_S:g} s")
    for words in told.disagreements:
        say(f"{'':>10}  {words}")
    if told.is_whole:
        lag = told.lag_ms("probe_failed", "page_handed_over")
        say(f"\nevery hop happened; from the failed probe to the page in the inbox: {lag} ms")
        say(f"{len(told.received)} messages arrived, each as often as the page ledger says")
    return told


class _Story:
    """The hops one by one."""

    def __init__(self, site: Site, bus: Listener, http: httpx.AsyncClient, told: Told, say: Say) -> None:
        self._site = site
        self._bus = bus
        self._http = http
        self._told = told
        self._say = say
        self._before = 0  # what an earlier story in the same data folder has received
        self._incident = ""

    async def run(self, kill: str | None, crash_file: Path | None) -> None:
        self._before = len(await self.received())
        dying = asyncio.create_task(self._watch_dying(crash_file)) if crash_file else None
        try:
            await self._run(kill if crash_file is None else None)
            if dying:
                await asyncio.wait_for(dying, EACH_WITHIN_S)
        finally:
            if dying:
                dying.cancel()

    async def _run(self, kill: str | None) -> None:
        await self._switch("errors")
        self._hop("fault_injected", SystemClock().now(), "the ERP answers 500 from now on")

        breach = await self._bus.wait_for(BreachOpened, lambda m: m.key.rule == RULE)
        ended_at = breach.breach.began_at + timedelta(seconds=breach.sample_took_s or 0)
        self._hop("probe_failed", ended_at, "the probe that made the rule true")
        self._hop("breach_opened", breach.occurred_at, breach.breach.summary)
        if kill is not None:
            self._kill(kill)

        incident = await self._bus.wait_for(IncidentOpened, lambda m: m.symptom == RULE)
        self._hop("incident_opened", incident.occurred_at, incident.name)
        self._incident = incident.incident
        mail = await self._mail()
        self._hop("page_handed_over", _instant(mail["at"]), f"{mail['subject']!r} in the inbox of {mail['to']}")

        await self._press_link(mail)
        acked = await self._bus.wait_for(IncidentAcknowledged, lambda m: m.incident == incident.incident)
        self._hop("acknowledged", acked.occurred_at, f"by {acked.acknowledged_by}, with the link in the mail")
        await self._api("POST", f"/{incident.incident}/advance", {"reason": "assessed: the last deployment"})

        await self._switch("healthy")
        self._hop("healed", SystemClock().now(), "the ERP answers 200 again")
        cleared = await self._bus.wait_for(BreachCleared, lambda m: m.key.rule == RULE)
        self._hop("breach_cleared", cleared.occurred_at, cleared.summary)
        await self._stage(incident.incident, "resolution")
        await self._answer_all(incident.incident)
        resolved = await self._bus.wait_for(IncidentResolved, lambda m: m.incident == incident.incident)
        self._hop("resolved", resolved.occurred_at, "the watch has passed, covered by samples")
        await self._stage(incident.incident, "post_mortem")
        await self._answer_all(incident.incident)
        await self._close(incident.incident)
        closed = await self._bus.wait_for(IncidentClosed, lambda m: m.incident == incident.incident)
        self._hop("closed", closed.occurred_at, "the post-mortem is written")

    def _hop(self, name: str, at: datetime, words: str) -> None:
        self._told.at[name] = at
        self._line(at, name, words)

    def _line(self, at: datetime, name: str, words: str) -> None:
        first = min(self._told.at.values(), default=at)
        self._say(f"{(at - first).total_seconds():>+9.3f}s  {name:<17} {words}")

    def _kill(self, service: str) -> None:
        mark = self._process_of(service)
        os.kill(mark.pid, signal.SIGKILL)
        self._killed(mark, "SIGKILL, right after the breach was said")

    async def _watch_dying(self, crash_file: Path) -> None:
        """Arm the notifier to kill itself in the middle of its next send, and say when it has.

        It removes the file right before it dies (`shared.kit.crash_points`).
        """
        mark = self._process_of("notifier")
        crash_file.write_text("send.during 1", encoding="utf-8")
        while crash_file.exists():  # noqa: ASYNC110  # another process removes it; it can only be looked for
            await asyncio.sleep(0.005)
        self._killed(mark, "SIGKILL in the middle of a send: nobody knows what became of it")

    def _process_of(self, service: str) -> ProcessMark:
        return next(p for p in self._site.supervisor.processes() if p.name.startswith(f"{service}-"))

    def _killed(self, mark: ProcessMark, how: str) -> None:
        now = SystemClock().now()
        self._told.killed = {"process": mark.name, "at": now.isoformat()}
        self._line(now, "killed", f"{mark.name} (process {mark.pid}): {how}")

    async def _switch(self, mode: str) -> None:
        url = f"{example.erp_admin_url(self._site.home.ports)}/switch"
        (await self._http.put(url, json={"mode": mode})).raise_for_status()

    async def received(self) -> list[dict[str, Any]]:
        """Everything the sinks got in this story so far."""
        answer = await self._http.get(
            f"{example.sinks_url(self._site.home.ports)}/received.json", params={"since": self._before}
        )
        found: list[dict[str, Any]] = answer.json()
        return found

    async def reckon(self) -> None:
        """Wait until every page of the incident has come to its end; then hold what arrived against the ledger."""
        ways = ways_of(await _until(self._settled_pages))
        arrivals = await self.received()
        self._told.received = [named(arrival, ways) for arrival in arrivals]
        self._told.disagreements = list(disagreements(ways, arrivals))

    async def _settled_pages(self) -> list[dict[str, Any]] | None:
        """The pages that the incident has asked for, from the ledger; None while one is still on its way."""
        asked_for = (await self._api("GET", f"/{self._incident}"))["pages"]
        pages = [await self._page(one["page"]) for one in asked_for]
        settled = [page for page in pages if page is not None and is_settled(page)]
        return settled if len(settled) == len(asked_for) else None

    async def _page(self, page: str) -> dict[str, Any] | None:
        answer = await self._http.get(
            f"{self._site.system.notifier_url}/api/v1/pages/{page}",
            headers={"Authorization": f"Bearer {self._site.system.token}"},
        )
        found: dict[str, Any] | None = answer.json() if answer.is_success else None
        return found

    async def _mail(self) -> dict[str, Any]:
        """The first mail of kind `page` that holds an acknowledge link."""

        async def look() -> dict[str, Any] | None:
            return next((m for m in await self.received() if m["channel"] == "email" and m["kind"] == "page"), None)

        return await _until(look)

    async def _press_link(self, mail: dict[str, Any]) -> None:
        """What a person's browser does: the GET shows a page, its form is a POST of the same address."""
        link = _LINK.search(mail["text"])
        if link is None:
            raise TimeoutError
        (await self._http.get(link[0])).raise_for_status()
        (await self._http.post(link[0])).raise_for_status()

    async def _api(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        async def call() -> Any:
            try:
                answer = await self._http.request(
                    method,
                    f"{self._site.system.incidents_url}/api/v1/incidents{path}",
                    json=body,
                    headers={"Authorization": f"Bearer {self._site.system.token}"},
                )
            except httpx.TransportError:  # it was killed on purpose and is on its way back
                return None
            answer.raise_for_status()
            return answer.json()

        return await _until(call)

    async def _stage(self, incident: str, stage: str) -> None:
        async def is_there() -> bool | None:
            return True if (await self._api("GET", f"/{incident}"))["stage"] == stage else None

        await _until(is_there)

    async def _answer_all(self, incident: str) -> None:
        """Answer the checklist of the stage the incident is in."""
        shown = await self._api("GET", f"/{incident}")
        for item in shown["checklist"]:
            if not item.get("answer"):
                await self._api(
                    "POST", f"/{incident}/answers", {"item": item["item"], "answer": "yes, see the timeline"}
                )

    async def _close(self, incident: str) -> None:
        if (await self._api("GET", f"/{incident}"))["stage"] != "closed":
            await self._api("POST", f"/{incident}/advance", {"reason": "post-mortem written"})


async def _until(look: Callable[[], Awaitable[T | None]]) -> T:
    """Look until there is something. Raises TimeoutError."""
    async with asyncio.timeout(EACH_WITHIN_S):
        while (found := await look()) is None:  # noqa: ASYNC110  # another process knows; it can only be asked
            await asyncio.sleep(LOOK_EVERY_S)
    return found


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
