"""The inbox: one page of what arrived, live, and the same as JSON; and the switch for misbehaviour."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from cli.drill.behaviour import Behaviour, Mode, Wire
from cli.drill.desk import Desk
from cli.drill.links import LinkStates
from cli.drill.serving import gone
from cli.drill.store import Channel, Received

_HERE: Final = Path(__file__).parent
_CSP: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_GUARDS: Final = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_SHOWN: Final = 200
_KEEP_ALIVE_S: Final = 15.0
_URL: Final = re.compile(r"https?://[^\s<>\"']*[^\s<>\"'.,;:!?)\]}]")
_LABELS: Final = {Channel.EMAIL: "E-mail", Channel.SMS: "SMS", Channel.CHAT: "Chat", Channel.WEBHOOK: "Webhook"}


@dataclass(frozen=True)
class Group:
    """Messages of one incident, newest first. incident: None for those that no incident could be found for."""

    incident: str | None
    messages: tuple[Received, ...]


class InboxPages:
    """Its routes and its template."""

    def __init__(self, desk: Desk, links: LinkStates) -> None:
        self._desk, self._links = desk, links
        pages = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        pages.filters["links"] = with_links
        pages.filters["ago"] = ago
        self._page, self._list = pages.get_template("inbox.html"), pages.get_template("messages.html")

    def routes(self) -> list[Route | Mount]:
        """Return what it answers to."""
        return [
            Route("/", self.page, methods=["GET"]),
            Route("/messages", self.messages, methods=["GET"]),
            Route("/events", self.events, methods=["GET"]),
            Route("/received.json", self.received, methods=["GET"]),
            Route("/attempts.json", self.attempts, methods=["GET"]),
            Route("/behave", self.told, methods=["GET"]),
            Route("/behave/{wire}", self.behave, methods=["PUT"]),
            Mount("/static", StaticFiles(directory=_HERE / "static")),
        ]

    async def page(self, request: Request) -> Response:
        """Show the whole inbox; `?channel=` shows one channel only."""
        return HTMLResponse(self._page.render(await self._shown(request)), headers=_GUARDS)

    async def messages(self, request: Request) -> Response:
        """Return the list alone, for the page that is open already."""
        return HTMLResponse(self._list.render(await self._shown(request)), headers=_GUARDS)

    async def _shown(self, request: Request) -> dict[str, object]:
        everything = self._desk.store.since(undelivered=True)
        wanted = request.query_params.get("channel")
        chosen = [m for m in everything if wanted in {None, "", m.channel.value}]
        told = {w.value: b for w, b in self._desk.behaviours.current().items() if b.mode is not Mode.OK}
        return {
            "over": await self._links.over(m.ack_url for m in chosen[-_SHOWN:] if m.ack_url and m.delivered),
            "groups": grouped(chosen[-_SHOWN:], everything),
            "hidden": max(0, len(chosen) - _SHOWN),
            "counts": {c: sum(m.channel is c for m in everything) for c in Channel},
            "labels": _LABELS,
            "wanted": wanted or "",
            "told": told,
            "now": self._desk.clock.now(),
            "newest": everything[-1].n if everything else 0,
        }

    async def events(self, request: Request) -> Response:
        """Stream messages as server-sent events: those after `?since=` (or the last id seen), then each as it comes."""
        last_seen = request.headers.get("Last-Event-ID") or request.query_params.get("since", "0")
        if not last_seen.isdecimal():
            return JSONResponse({"error": "since: the number of a message, like 12"}, 400)
        stream = _as_events(self._desk, request, int(last_seen))
        return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    async def received(self, request: Request) -> Response:
        """List messages after number `?since=`, oldest first; `?all=1` adds those that were accepted and lost."""
        since = request.query_params.get("since", "0")
        if not since.isdecimal():
            return JSONResponse({"error": "since: the number of a message, like 12"}, 400)
        found = self._desk.store.since(int(since), undelivered=request.query_params.get("all") == "1")
        return JSONResponse([_public(m) for m in found])

    async def attempts(self, _request: Request) -> Response:
        """List the last thousand messages offered, refused ones too, and what was done about each."""
        return JSONResponse([asdict(a) | {"at": a.at.isoformat(timespec="microseconds")} for a in self._desk.attempts])

    async def told(self, _request: Request) -> Response:
        """Say what each sink would do with the next message."""
        return JSONResponse({w.value: b.model_dump(mode="json") for w, b in self._desk.behaviours.current().items()})

    async def behave(self, request: Request) -> Response:
        """Tell one sink how to misbehave from now on."""
        try:
            wire = Wire(request.path_params["wire"])
        except ValueError:
            return JSONResponse({"error": f"no such sink; there are {', '.join(Wire)}"}, 404)
        try:
            behaviour = Behaviour.model_validate_json(await request.body())
        except ValidationError as error:
            mistakes = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            return JSONResponse({"error": "; ".join(mistakes)}, 422)
        self._desk.behaviours.tell(wire, behaviour)
        return JSONResponse(behaviour.model_dump(mode="json"))


async def _as_events(desk: Desk, request: Request, since: int) -> AsyncIterator[str]:
    """Yield events until the client hangs up; a comment every while shows a silent disconnection to both sides."""
    hung_up = asyncio.ensure_future(gone(request.receive))
    try:
        while not hung_up.done():
            for message in desk.store.since(since, undelivered=True):
                yield f"id: {message.n}\ndata: {json.dumps(_public(message))}\n\n"
                since = message.n
            more = asyncio.ensure_future(desk.store.more_than(since))
            done, _ = await asyncio.wait({hung_up, more}, timeout=_KEEP_ALIVE_S, return_when=asyncio.FIRST_COMPLETED)
            more.cancel()
            if not done:
                yield ": still here\n\n"
    finally:
        hung_up.cancel()


def _public(message: Received) -> dict[str, object]:
    return message.model_dump(mode="json", exclude={"same_as"})


def grouped(messages: Sequence[Received], known: Sequence[Received]) -> list[Group]:
    """Group messages by incident, the incident with the newest message first.

    An SMS has no mark of its incident: it belongs to the one whose other message has the same acknowledge link, or
    that a line of it names, and else stays with those of no known incident.
    """
    by_link = {m.ack_url: m.incident for m in known if m.ack_url and m.incident}
    names = {m.incident for m in known if m.incident}
    found: dict[str | None, list[Received]] = {}
    for message in reversed(messages):
        incident = message.incident or (by_link.get(message.ack_url) if message.ack_url else None)
        incident = incident or next((line for line in message.text.splitlines() if line in names), None)
        found.setdefault(incident, []).append(message)
    return [Group(incident, tuple(group)) for incident, group in found.items()]


def with_links(text: str) -> Markup:
    """Escape a text and make its web addresses clickable; nothing else in it can become markup."""
    parts, end = [], 0
    for url in _URL.finditer(text):
        parts.append(Markup.escape(text[end : url.start()]))
        parts.append(Markup('<a href="{0}" target="_blank" rel="noopener noreferrer">{0}</a>').format(url[0]))
        end = url.end()
    return Markup("").join([*parts, Markup.escape(text[end:])])


def ago(at: datetime, now: datetime) -> str:
    """Say how long ago in the largest whole unit: `now`, `12 s`, `3 min`, `2 h`, `5 d`."""
    seconds = int((now - at).total_seconds())
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return "now"
