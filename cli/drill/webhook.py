"""A receiver of signed CloudEvents: structured or binary HTTP binding, `Hypercare-Signature` checked where known."""

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cli.drill.behaviour import Behaviour, Mode, Wire
from cli.drill.desk import REFUSALS, Desk, ack_url_in
from cli.drill.store import Arrival, Channel, joined, marks_in
from shared.values import stable_id

_SIGNATURE: Final = "Hypercare-Signature"
_OLDEST_S: Final = 300
_SECRET_HEADERS: Final = frozenset({"authorization", "cookie"})


@dataclass(frozen=True)
class _Event:
    """The parts of a CloudEvent that are shown; data is empty where the body was not a JSON object."""

    id: str | None
    source: str
    type: str
    data: dict[str, object]


class WebhookSink:
    """Its route. secret: what the senders sign with; None when nobody said."""

    def __init__(self, desk: Desk, secret: str | None) -> None:
        self._desk, self._secret = desk, secret

    def routes(self) -> list[Route]:
        """Return what it answers to."""
        return [Route("/hooks/{name:path}", self.post, methods=["POST"])]

    async def post(self, request: Request) -> Response:
        """Keep whatever came, an event or not: a receiver shows, the sender's tests judge."""
        body, at, name = await request.body(), self._desk.clock.now(), request.path_params["name"]
        behaviour = self._desk.take(Wire.WEBHOOK, name)
        if behaviour.mode in REFUSALS:
            return _refused(behaviour)
        event = _event(request, body)
        text = _text(event, body)
        message = self._desk.store.add(
            Arrival(
                **dict(marks_in(event.data)),
                at=at,
                channel=Channel.WEBHOOK,
                to=name,
                sender=event.source,
                subject=event.type,
                text=text,
                ack_url=ack_url_in(text),
                message_id=event.id,
                headers=joined(request.headers.items(), without=_SECRET_HEADERS),
                same_as=stable_id(name, event.source, event.id or body.decode(errors="replace")),
                delivered=behaviour.mode is not Mode.LIE,
                verified=verified(request.headers.get(_SIGNATURE), body, self._secret, at),
            )
        )
        return await self._desk.answer(request, behaviour, JSONResponse({"received": message.n}))


def verified(header: str | None, body: bytes, secret: str | None, now: datetime) -> bool | None:
    """Check `t=<unix>,v1=<hex>`, an HMAC-SHA256 of `<t>.<body>` at most five minutes old; None without a secret."""
    if secret is None:
        return None
    parts = dict(part.strip().partition("=")[::2] for part in (header or "").split(","))
    t, v1 = parts.get("t", ""), parts.get("v1", "")
    if not t.isdecimal() or abs(now.timestamp() - int(t)) > _OLDEST_S:
        return False
    right = hmac.new(secret.encode(), f"{t}.".encode() + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(right.encode(), v1.encode())


def _event(request: Request, body: bytes) -> _Event:
    """Read the event from the body (structured) or from `ce-` headers and the body (binary)."""
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    document: dict[str, object] = found if isinstance(found, dict) else {}
    if "ce-id" in request.headers or "specversion" not in document:
        header = request.headers.get
        return _Event(header("ce-id"), header("ce-source", ""), header("ce-type", ""), document)
    data = document.get("data")
    return _Event(
        id=str(document["id"]) if "id" in document else None,
        source=str(document.get("source", "")),
        type=str(document.get("type", "")),
        data=data if isinstance(data, dict) else {},
    )


def _text(event: _Event, body: bytes) -> str:
    if event.data:
        return json.dumps(event.data, indent=2, ensure_ascii=False)
    return body.decode(errors="replace")


def _refused(behaviour: Behaviour) -> Response:
    if behaviour.mode is Mode.THROTTLE:
        headers = {"Retry-After": str(behaviour.retry_after_s)}
        return JSONResponse({"error": "slow down"}, behaviour.number(429), headers)
    if behaviour.mode is Mode.FAIL:
        return JSONResponse({"error": "not now"}, behaviour.number(500))
    return JSONResponse({"error": "not acceptable to this receiver"}, behaviour.number(400))
