"""The acknowledge link: GET shows, POST acts. Mail scanners fetch links; a fetch must never acknowledge."""

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final

import jinja2
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

from services.notifier.handlers import Desk, Link, LinkRefused, acknowledge, read_link
from shared.contracts.pages import Addressee
from shared.kit.errors import Transient
from shared.kit.http import SECURITY_HEADERS
from shared.kit.logging import get_logger
from shared.values import PersonId

log = get_logger()

_WEB: Final = Path(__file__).parent.parent / "web"
_TEMPLATES: Final = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_WEB / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)
_REFUSED: Final = {"unknown": HTTPStatus.NOT_FOUND, "expired": HTTPStatus.GONE, "superseded": HTTPStatus.GONE}

STATE: Final = "hypercare-page"
"""What a program that holds the link can ask with HEAD: `open`, `acknowledged`, `stopped`, `expired`, `superseded`."""


def link_routes(desk: Desk) -> APIRouter:
    """Return `/a/{token}` and the style sheet of its page."""
    router = APIRouter(include_in_schema=False)

    @router.api_route("/a/ack.css", methods=["GET", "HEAD"])
    async def style() -> Response:
        return FileResponse(_WEB / "static" / "ack.css", media_type="text/css")

    @router.api_route("/a/{token}", methods=["GET", "HEAD"])
    async def show(token: str) -> Response:
        try:
            return _answer(desk, await read_link(desk, token), has_pressed=False)
        except Transient as error:
            return _try_again(error)

    @router.post("/a/{token}")
    async def press(token: str, _: Request) -> Response:
        try:
            return _answer(desk, await acknowledge(desk, token), has_pressed=True)
        except Transient as error:
            return _try_again(error)

    return router


def _answer(desk: Desk, link: Link | LinkRefused, *, has_pressed: bool) -> Response:
    if isinstance(link, LinkRefused):
        headers: dict[str, str] = {} if link.why == "unknown" else {STATE: link.why}
        return _page("refused.html", _REFUSED[link.why], why=link.why, headers=headers)
    request, stop = link.view.book.request, link.stop
    holder = stop.person if stop else None
    headers = {STATE: "acknowledged" if holder else "stopped" if stop else "open"}
    return _page(
        "ack.html",
        HTTPStatus.OK,
        page=request,
        person=desk.directory.name_of(request.addressee),
        stop=stop,
        is_mine=holder is not None and holder == link.presser,
        holder=_name(desk, holder) if holder else None,
        has_pressed=has_pressed,
        headers=headers,
    )


def _name(desk: Desk, person: str) -> str:

    return desk.directory.name_of(Addressee(person=PersonId(person))) if ":" not in person else person


def _try_again(error: Transient) -> Response:
    log.warning("link_delayed", reason=error.reason)
    return _page("refused.html", HTTPStatus.SERVICE_UNAVAILABLE, why="later")


def _page(template: str, status: HTTPStatus, *, headers: Mapping[str, str] | None = None, **values: object) -> Response:
    html = _TEMPLATES.get_template(template).render(**values)
    return HTMLResponse(html, status, {**SECURITY_HEADERS, "x-robots-tag": "noindex", **(headers or {})})
