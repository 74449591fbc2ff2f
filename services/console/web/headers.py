"""The headers of every answer."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.kit.http import SECURITY_HEADERS

HEADERS: Final = {**SECURITY_HEADERS, "referrer-policy": "same-origin"}
"""`no-referrer` would make browsers send `Origin: null` with our own forms; no address of ours holds a secret."""


def with_headers(app: ASGIApp) -> ASGIApp:
    """Put the security headers on every answer that does not say otherwise itself."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def sendwith_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in present),
                ]
            await send(message)

        await app(scope, receive, sendwith_headers)

    return wrapped
