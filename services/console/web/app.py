"""The console's addresses. Every one asks for a valid token, but the login itself and the static files."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from services.console.adapters.incidents_api import PATHS, IncidentsApi
from services.console.live import Live
from services.console.model import ReadModel
from services.console.settings import Settings
from services.console.web.headers import with_headers
from services.console.web.render import Renderer, Static, may_act
from services.console.web.timeline import entry_views, watch_view
from services.console.web.views import Views
from services.console.web.visitors import Visitor, Visitors, is_from_here, let_in, let_out, safe_next, token_of
from shared.kit.clock import Clock
from shared.kit.errors import Refused, Transient
from shared.kit.http import without_redirects
from shared.values import IncidentId, ServiceId

IMMUTABLE: Final = "public, max-age=31536000, immutable"
FORM_LIMIT: Final = 20_000
"""Bytes of a form: a note has at most 4,000 characters."""

Page = Callable[[Request, Visitor], Awaitable[Response]]


@dataclass(frozen=True)
class Desk:
    """What the pages are made of."""

    model: ReadModel
    views: Callable[[], Views]
    renderer: Renderer
    live: Live
    visitors: Visitors
    incidents: IncidentsApi
    settings: Settings
    clock: Clock
    static: dict[str, Static]


def console_app(desk: Desk) -> ASGIApp:
    """All routes, behind security headers and compression (which leaves event streams alone)."""
    pages = _Pages(desk)
    routes = [
        Route("/", pages.guarded(pages.overview)),
        Route("/fragment", pages.guarded(pages.fragment)),
        Route("/events", pages.guarded(pages.events)),
        Route("/whoami", pages.guarded(pages.whoami)),
        Route("/services/{service}/rows", pages.guarded(pages.rows)),
        Route("/incidents/{incident}", pages.guarded(pages.incident)),
        Route("/incidents/{incident}/timeline", pages.guarded(pages.timeline)),
        Route("/incidents/{incident}/{action}", pages.guarded(pages.act), methods=["POST"]),
        Route("/login", pages.login, methods=["GET", "POST"]),
        Route("/logout", pages.logout, methods=["POST"]),
        Route("/static/{name}", pages.file),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(GZipMiddleware, minimum_size=2000, compresslevel=5)])
    return with_headers(without_redirects(app))


class _Pages:
    """The endpoints."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def guarded(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        """Let in people with a valid token, POSTs only from our own pages."""

        async def endpoint(request: Request) -> Response:
            if request.method == "POST" and not is_from_here(request, self._desk.settings):
                return self._trouble(HTTPStatus.FORBIDDEN, "Not from here", "This request came from another site.")
            token = token_of(request)
            try:
                who = await self._identify(token) if token else None
            except Transient:
                return self._trouble(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    "The bus is away",
                    "Your token cannot be checked just now.",
                    retry=True,
                )
            if token is None or who is None:
                return self._to_login(request)
            return await page(request, who)

        return endpoint

    async def _identify(self, token: str) -> Visitor | None:
        who = await self._desk.visitors.identify(token, is_deaf=self._desk.model.is_deaf)
        return None if who is None else Visitor(who, token)

    def _to_login(self, request: Request) -> Response:
        wants_page = "text/html" in request.headers.get("accept", "") and not _is_script(request)
        if request.method != "GET" or not wants_page:
            return Response("log in first\n", HTTPStatus.UNAUTHORIZED, media_type="text/plain")
        where = "" if request.url.path == "/" else f"?next={quote(request.url.path)}"
        return RedirectResponse(f"/login{where}", HTTPStatus.SEE_OTHER)

    def _trouble(self, status: HTTPStatus, title: str, detail: str, *, retry: bool = False) -> Response:
        body = self._desk.renderer.template("trouble.html", title=title, detail=detail, retry=retry)
        return HTMLResponse(body, status)

    def _now(self) -> datetime:
        return self._desk.clock.now()

    async def overview(self, request: Request, visitor: Visitor) -> Response:
        """The one page."""
        del request
        return HTMLResponse(self._desk.renderer.page(visitor.who, self._now()))

    async def fragment(self, request: Request, visitor: Visitor) -> Response:
        """The inside of the one page, drawn anew."""
        del request
        return HTMLResponse(self._desk.renderer.main(visitor.who, self._now()))

    async def whoami(self, request: Request, visitor: Visitor) -> Response:
        """Whether this browser is logged in; the login page asks."""
        del request
        return Response(visitor.who.name, media_type="text/plain")

    async def events(self, request: Request, visitor: Visitor) -> Response:
        """Live updates until the token is revoked."""
        since = request.headers.get("last-event-id") or request.query_params.get("since")

        async def may_stay() -> bool:
            try:
                return await self._identify(visitor.token) is not None
            except Transient:
                return True  # an outage reveals nothing new; the token is asked for again in half a minute

        def render(part: str, now: datetime) -> str | None:
            return self._desk.renderer.part(part, visitor.who, now)

        stream = self._desk.live.stream(render, may_stay, since)
        return StreamingResponse(stream, media_type="text/event-stream", headers={"x-accel-buffering": "no"})

    async def rows(self, request: Request, visitor: Visitor) -> Response:
        """All rows of one service."""
        del visitor
        return HTMLResponse(self._desk.renderer.rows(ServiceId(request.path_params["service"]), self._now()))

    async def incident(self, request: Request, visitor: Visitor) -> Response:
        """One incident on a page of its own, with its timeline."""
        return await self._incident(request, visitor, HTTPStatus.OK)

    async def _incident(
        self, request: Request, visitor: Visitor, status: HTTPStatus, said: str | None = None
    ) -> Response:
        incident = IncidentId(request.path_params["incident"])
        timeline = await self._timeline(incident, visitor)
        body = self._desk.renderer.incident_page(visitor.who, incident, self._now(), timeline=timeline, said=said)
        if body is None:
            return self._trouble(HTTPStatus.NOT_FOUND, "Not known here", "No incident of the last 90 days has this id.")
        return HTMLResponse(body, status)

    async def timeline(self, request: Request, visitor: Visitor) -> Response:
        """The timeline, to be opened in place; in RESOLUTION with the watch above it."""
        return HTMLResponse(await self._timeline(IncidentId(request.path_params["incident"]), visitor))

    async def _timeline(self, incident: IncidentId, visitor: Visitor) -> str:
        render = self._desk.renderer.fragment
        try:
            entries = await self._desk.incidents.timeline(visitor.token, incident)
            watch = await self._desk.incidents.watch(visitor.token, incident)
        except (Refused, Transient) as error:
            return render("parts/said.html", text=f"The timeline cannot be read: {error.reason}")
        views = entry_views(entries, self._desk.views().zone, self._now())
        return render("parts/timeline.html", entries=views, watch=watch_view(watch, self._now()))

    async def act(self, request: Request, visitor: Visitor) -> Response:
        """Acknowledge, advance, note or resolve: asked of the incidents service in this person's name."""
        action = request.path_params["action"]
        if action not in PATHS:
            return self._trouble(HTTPStatus.NOT_FOUND, "Not known here", "There is no such action.")
        if not may_act(visitor.who):
            said = f"This needs the role responder; you are {visitor.who.role.value}."
            return await self._answer(request, visitor, HTTPStatus.FORBIDDEN, said)
        if int(request.headers.get("content-length") or 0) > FORM_LIMIT:
            return await self._answer(request, visitor, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "That is too long.")
        async with request.form(max_files=0, max_fields=10) as form:
            fields = {name: str(value) for name, value in form.items()}
        try:
            await self._desk.incidents.act(visitor.token, IncidentId(request.path_params["incident"]), action, fields)
        except Refused as error:
            return await self._answer(request, visitor, HTTPStatus.CONFLICT, error.reason)
        except Transient as error:
            return await self._answer(request, visitor, HTTPStatus.SERVICE_UNAVAILABLE, f"Not done: {error.reason}")
        return await self._answer(request, visitor, HTTPStatus.OK, "Done.")

    async def _answer(self, request: Request, visitor: Visitor, status: HTTPStatus, said: str) -> Response:
        """Words for the script; a page for a browser without one."""
        if _is_script(request):
            return Response(said, status, media_type="text/plain")
        if status is HTTPStatus.OK:
            return RedirectResponse(f"/incidents/{request.path_params['incident']}", HTTPStatus.SEE_OTHER)
        return await self._incident(request, visitor, status, said)

    async def login(self, request: Request) -> Response:
        """Show the form; take a token from it or from the script that found one behind a `#`."""
        wanted = safe_next(request.query_params.get("next"))
        if request.method == "GET":
            return self._login_page(wanted, "", HTTPStatus.OK)
        if not is_from_here(request, self._desk.settings):
            return self._trouble(HTTPStatus.FORBIDDEN, "Not from here", "This request came from another site.")
        async with request.form(max_files=0, max_fields=4) as form:
            token, wanted = str(form.get("token", "")).strip(), safe_next(str(form.get("next", "/")))
        try:
            visitor = await self._identify(token) if token else None
        except Transient:
            return self._login_page(wanted, "The bus is away: try again in a moment.", HTTPStatus.SERVICE_UNAVAILABLE)
        if visitor is None:
            return self._login_page(wanted, "This token is not known.", HTTPStatus.UNAUTHORIZED)
        answer = RedirectResponse(wanted, HTTPStatus.SEE_OTHER)
        let_in(request, answer, token, self._desk.settings)
        return answer

    def _login_page(self, wanted: str, said: str, status: HTTPStatus) -> Response:
        return HTMLResponse(self._desk.renderer.template("login.html", next=wanted, said=said), status)

    async def logout(self, request: Request) -> Response:
        """Take the cookie back."""
        if not is_from_here(request, self._desk.settings):
            return self._trouble(HTTPStatus.FORBIDDEN, "Not from here", "This request came from another site.")
        answer = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
        let_out(request, answer)
        return answer

    async def file(self, request: Request) -> Response:
        """A static file; its address holds its digest, so browsers keep it."""
        found = self._desk.static.get(request.path_params["name"])
        if found is None:
            return Response("no such file\n", HTTPStatus.NOT_FOUND, media_type="text/plain")
        keep = IMMUTABLE if request.query_params.get("v") == found.digest else "no-cache"
        return Response(found.body, media_type=found.media_type, headers={"cache-control": keep})


def _is_script(request: Request) -> bool:
    """Whether our own script asks, which wants words instead of a page."""
    return request.headers.get("x-requested-with") == "console"
