"""One failure followed from hop to hop, by listening on the bus and looking into the inbox as anybody could."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
from nats.aio.msg import Msg
from pydantic import ValidationError

from cli.runtime import example
from cli.runtime.site import Site
from cli.system import admin_bus
from shared.contracts import (
    BY_TYPE,
    BreachCleared,
    BreachOpened,
    IncidentAcknowledged,
    IncidentClosed,
    IncidentOpened,
    IncidentResolved,
    Message,
)
from shared.contracts.base import type_in
from shared.kit.clock import SystemClock

HOPS: Final = (
    "fault_injected", "probe_failed", "breach_opened", "incident_opened", "page_handed_over",
    "acknowledged", "healed", "breach_cleared", "resolved", "closed",
)  # fmt: skip
EACH_WITHIN_S: Final = 45.0
RULE: Final = "web-down"
_LINK: Final = re.compile(r"https?://\S+/a/[\w.~-]+")

Say = Callable[[str], None]
M = TypeVar("M", bound=Message)


@dataclass
class Told:
    """What happened when."""

    at: dict[str, datetime] = field(default_factory=dict)
    received: list[dict[str, Any]] = field(default_factory=list)
    missing: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether every hop happened."""
        return self.missing is None and set(self.at) == set(HOPS)

    def lag_ms(self, first: str, last: str) -> float | None:
        """Milliseconds between two hops."""
        if first in self.at and last in self.at:
            return round((self.at[last] - self.at[first]).total_seconds() * 1000, 1)
        return None

    def to_json(self) -> dict[str, Any]:
        """Hops in their order, lags between neighbours, and what arrived at the sinks."""
        happened = [hop for hop in HOPS if hop in self.at]
        lags = {f"{one}_to_{two}": self.lag_ms(one, two) for one, two in pairwise(happened)}
        lags["probe_failed_to_page_handed_over"] = self.lag_ms("probe_failed", "page_handed_over")
        fields = ("page", "person", "rung", "channel", "kind", "at")
        return {
            "hops": [{"hop": hop, "at": self.at[hop].isoformat()} for hop in happened],
            "lags_ms": lags,
            "received_by_sinks": [{name: message.get(name) for name in fields} for message in self.received],
            "missing": self.missing,
        }


class Listener:
    """Remembers every message on the bus and lets the story wait for one."""

    def __init__(self) -> None:
        self._seen: list[Message] = []
        self._news = asyncio.Condition()

    async def on_message(self, msg: Msg) -> None:
        """A callback for a subscription."""
        cls = BY_TYPE.get(type_in(msg.headers) or "")
        if cls is None:
            return
        try:
            message = cls.from_json(msg.data)
        except ValidationError:
            return
        async with self._news:
            self._seen.append(message)
            self._news.notify_all()

    async def wait_for(self, kind: type[M], is_it: Callable[[M], bool] = lambda _: True) -> M:
        """The first such message, past or to come. Raises TimeoutError."""

        def find() -> M | None:
            return next((m for m in self._seen if type(m) is kind and is_it(m)), None)

        async with asyncio.timeout(EACH_WITHIN_S), self._news:
            await self._news.wait_for(lambda: find() is not None)
        found = find()
        assert found is not None  # noqa: S101  # the condition above
        return found


@asynccontextmanager
async def listening(site: Site) -> AsyncIterator[Listener]:
    """Listen to everything as `admin` while the block runs."""
    listener = Listener()
    async with admin_bus(site.system) as client:
        await client.subscribe("hc.>", cb=listener.on_message)
        await client.flush()
        yield listener


async def tell(site: Site, say: Say, *, kill: str | None = None, crash_file: Path | None = None) -> Told:
    """Break the example, follow the page, acknowledge, heal, resolve, close; `missing` names what never came."""
    told = Told()
    async with listening(site) as bus, httpx.AsyncClient(timeout=10, trust_env=False) as http:
        story = _Story(site, bus, http, told, say)
        try:
            await story.run(kill, crash_file)
        except TimeoutError:
            told.missing = next((hop for hop in HOPS if hop not in told.at), "the end")
            say(f"{'':>10}  {told.missing} did not happen within {EACH_WITHIN_S:g} s")
        told.received = await story.received()
    if told.is_whole:
        lag = told.lag_ms("probe_failed", "page_handed_over")
        say(f"\nevery hop happened; from the failed probe to the page in the inbox: {lag} ms")
    return told


class _Story:
    """The hops one by one."""

    def __init__(self, site: Site, bus: Listener, http: httpx.AsyncClient, told: Told, say: Say) -> None:
        self._site = site
        self._bus = bus
        self._http = http
        self._told = told
        self._say = say

    async def run(self, kill: str | None, crash_file: Path | None) -> None:
        if crash_file is not None:
            crash_file.write_text("send.during 1", encoding="utf-8")
        await self._switch("errors")
        self._hop("fault_injected", SystemClock().now(), "the ERP answers 500 from now on")

        breach = await self._bus.wait_for(BreachOpened, lambda m: m.key.rule == RULE)
        ended_at = breach.breach.began_at + timedelta(seconds=breach.sample_took_s or 0)
        self._hop("probe_failed", ended_at, "the probe that made the rule true")
        self._hop("breach_opened", breach.occurred_at, breach.breach.summary)
        if kill is not None and crash_file is None:
            self._kill(kill)

        incident = await self._bus.wait_for(IncidentOpened, lambda m: m.symptom == RULE)
        self._hop("incident_opened", incident.occurred_at, incident.name)
        mail = await self._mail(incident.name)
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
        first = min(self._told.at.values(), default=at)
        self._told.at[name] = at
        self._say(f"{(at - first).total_seconds():>+9.3f}s  {name:<17} {words}")

    def _kill(self, service: str) -> None:
        mark = next(p for p in self._site.supervisor.processes() if p.name.startswith(f"{service}-"))
        os.kill(mark.pid, signal.SIGKILL)
        self._say(f"{'':>10}  {mark.name} (process {mark.pid}) is killed with SIGKILL")

    async def _switch(self, mode: str) -> None:
        url = f"{example.erp_admin_url(self._site.home.ports)}/switch"
        (await self._http.put(url, json={"mode": mode})).raise_for_status()

    async def received(self) -> list[dict[str, Any]]:
        """Everything the sinks got so far."""
        answer = await self._http.get(f"{example.sinks_url(self._site.home.ports)}/received.json")
        found: list[dict[str, Any]] = answer.json()
        return found

    async def _mail(self, incident_name: str) -> dict[str, Any]:
        """The first mail of kind `page` that holds an acknowledge link."""

        async def look() -> dict[str, Any] | None:
            return next((m for m in await self.received() if m["channel"] == "email" and m["kind"] == "page"), None)

        del incident_name
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


T = TypeVar("T")


async def _until(look: Callable[[], Awaitable[T | None]]) -> T:
    """Look until there is something. Raises TimeoutError."""
    async with asyncio.timeout(EACH_WITHIN_S):
        while (found := await look()) is None:  # noqa: ASYNC110  # another process knows; it can only be asked
            await asyncio.sleep(0.02)
    return found


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
