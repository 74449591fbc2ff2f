"""Slack's incoming webhooks: a secret URL, JSON in, plain `ok` or one of Slack's words out."""

import json
import re
from typing import Final
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from cli.drill.behaviour import Behaviour, Mode, Wire
from cli.drill.desk import REFUSALS, Desk, ack_url_in
from cli.drill.store import Arrival, Channel, joined, marks_in
from shared.values import stable_id

_STATUS_OF_WORD: Final = {
    "invalid_payload": 400,
    "no_text": 400,
    "invalid_token": 403,
    "action_prohibited": 403,
    "no_service": 404,
    "channel_not_found": 404,
    "channel_is_archived": 410,
    "rate_limited": 429,
    "rollup_error": 500,
}
_KEPT_HEADERS: Final = frozenset({"content-length", "content-type", "user-agent"})
_LINK: Final = re.compile(r"<(https?://[^|>]+)(?:\|([^>]*))?>")


class SlackSink:
    """Its route."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        """Return what it answers to."""
        return [Route("/services/{team}/{hook}/{secret}", self.post, methods=["POST"])]

    async def post(self, request: Request) -> Response:
        """Take a message for the channel behind this webhook."""
        raw = await request.body()
        at, team, hook = self._desk.clock.now(), request.path_params["team"], request.path_params["hook"]
        payload = _payload(raw, request.headers.get("Content-Type", ""))
        to = _to(payload, team, hook)
        behaviour = self._desk.take(Wire.SLACK, to)
        if behaviour.mode in REFUSALS:
            return _refused(behaviour)
        if not (team.startswith("T") and hook.startswith("B")):
            return _word("no_service")
        if payload is None:
            return _word("invalid_payload")
        text = message_text(payload)
        if not text:
            return _word("no_text")
        headers = {name: value for name, value in joined(request.headers.items()).items() if name in _KEPT_HEADERS}
        meant = _metadata(payload)
        delivery = meant.get("delivery")
        self._desk.store.add(
            Arrival(
                **dict(marks_in(meant)),
                at=at,
                channel=Channel.CHAT,
                to=to,
                text=text,
                ack_url=ack_url_in(text),
                message_id=str(delivery) if delivery else None,
                headers=headers,
                same_as=stable_id(to, str(delivery or text)),
                delivered=behaviour.mode is not Mode.LIE,
            )
        )
        return await self._desk.answer(request, behaviour, PlainTextResponse("ok"))


def _payload(raw: bytes, content_type: str) -> dict[str, object] | None:
    """Read the body as JSON, or as the older form field `payload`; None where it is neither."""
    try:
        text = raw.decode()
        if content_type.startswith("application/x-www-form-urlencoded"):
            text = parse_qs(text)["payload"][0]
        found = json.loads(text)
    except (ValueError, KeyError):
        return None
    return found if isinstance(found, dict) else None


def _metadata(payload: dict[str, object]) -> dict[str, object]:
    """Return what the sender noted for programs (Slack's message metadata); empty where there is none."""
    metadata = payload.get("metadata")
    found = metadata.get("event_payload") if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}


def _to(payload: dict[str, object] | None, team: str, hook: str) -> str:
    channel = payload.get("channel") if payload else None
    return channel if isinstance(channel, str) and channel else f"{team}/{hook}"


def message_text(payload: dict[str, object]) -> str:
    """Return what a person would read: the blocks' text where there are blocks, else `text`; links written out."""
    text = "\n".join(_lines(payload.get("blocks"))) or payload.get("text")
    if not isinstance(text, str):
        return ""
    plain = _LINK.sub(lambda link: f"{link[2]} ({link[1]})" if link[2] else link[1], text)
    return plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _lines(node: object) -> list[str]:
    """Gather the texts of blocks, fields and elements in reading order; a button's URL follows its label."""
    if isinstance(node, list):
        return [line for item in node for line in _lines(item)]
    if not isinstance(node, dict):
        return []
    text, url = node.get("text"), node.get("url")
    own = [text] if isinstance(text, str) else _lines(text)
    if isinstance(url, str):
        own = [f"{' '.join(own)} ({url})"]
    return [*own, *_lines(node.get("fields")), *_lines(node.get("elements"))]


def _refused(behaviour: Behaviour) -> Response:
    if behaviour.mode is Mode.THROTTLE:
        return _word("rate_limited", retry_after_s=behaviour.retry_after_s)
    usual = "rollup_error" if behaviour.mode is Mode.FAIL else "no_service"
    if isinstance(behaviour.code, str):
        return _word(behaviour.code)
    return PlainTextResponse(usual, behaviour.number(_STATUS_OF_WORD[usual]))


def _word(word: str, retry_after_s: int | None = None) -> Response:
    headers = None if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return PlainTextResponse(word, _STATUS_OF_WORD.get(word, 400), headers)
