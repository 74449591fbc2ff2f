"""What a stranger may cost us before we know who he is: connections, heads and bodies are bounded, everywhere."""

import asyncio
import fcntl
import json
import resource
import sys
import termios
from http import HTTPStatus
from typing import Final

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

LARGEST_BODY: Final = 256 * 1024
"""Bytes. The longest thing anybody has to say to us is a note or a provider's report."""
BODY_WITHIN_S: Final = 10.0
IDLE_S: Final = 10.0
"""How long a connection may be open without a request, and so how long a head may take."""

SLOWEST_READ: Final = 4096
"""Bytes that a client must take of an answer within IDLE_S."""


class Impatient(H11Protocol):
    """A connection that has to have a request going and to take its answers, and a server that has only so many.

    uvicorn itself waits for the rest of a head, and for an answer to be read, for as long as it takes. A file
    descriptor that a stranger holds is one that a probe, the bus or the database cannot have.
    """

    _look: asyncio.TimerHandle | None = None
    _has_caught_up = False
    """Whether the client has taken nearly all that waited for it since we last looked, so that more was written."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Take it, unless a quarter of all our descriptors are clients' already."""
        super().connection_made(transport)
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY and len(self.connections) > soft // 4:
            transport.abort()
        else:
            self._look_again()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody needs to look any more."""
        if self._look:
            self._look.cancel()
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        """The client has taken nearly all of what waited for it."""
        self._has_caught_up = True
        super().resume_writing()

    def _look_again(self) -> None:
        self._has_caught_up = False
        self._look = self.loop.call_later(IDLE_S, self._hang_up_unless_busy, self.cycle, self._unread())

    def _hang_up_unless_busy(self, cycle_before: object, unread_before: int) -> None:
        """Look at two instants: what the client has taken in between can be told only where nothing was written."""
        cycle: RequestResponseCycle | None = self.cycle
        is_answered = (cycle is None or cycle.response_complete) and cycle is cycle_before
        is_waited_for = self.flow.write_paused and not self._has_caught_up
        unread = self._unread()
        has_taken = unread_before - unread >= SLOWEST_READ
        if (is_answered and not unread) or ((is_answered or is_waited_for) and unread_before and not has_taken):
            self.transport.abort()
        else:
            self._look_again()

    def _unread(self) -> int:
        """Count the bytes that the client has not taken: ours, and those that the machine keeps for it."""
        ours: int = self.transport.get_write_buffer_size()
        return ours + self._kept_by_the_machine()

    def _kept_by_the_machine(self) -> int:
        sock = self.transport.get_extra_info("socket")
        try:
            return int.from_bytes(fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
        except (OSError, ValueError):  # it is gone (asyncio then says -1), or this system does not tell
            return 0


class Bounded:
    """Wraps an application: refuses a body that is too large or too slow, and an address with a NUL in it."""

    def __init__(self, app: ASGIApp, *, largest: int = LARGEST_BODY, within_s: float = BODY_WITHIN_S) -> None:
        self._app = app
        self._largest = largest
        self._within_s = within_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by ourselves what can be refused by its head alone."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if "\x00" in scope["path"] or b"%00" in scope.get("query_string", b""):
            await _refuse(send, HTTPStatus.BAD_REQUEST, "an address cannot hold a NUL")
        elif _declared_length(scope) > self._largest:
            await _refuse(send, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {self._largest} bytes")
        else:
            await self._app(scope, self._bounded(receive), send)

    def _bounded(self, receive: Receive) -> Receive:
        """Count what comes; a length that was not declared, or was a lie, is found out here."""
        got, is_complete, deadline = 0, False, asyncio.get_running_loop().time() + self._within_s

        async def bounded() -> Message:
            nonlocal got, is_complete
            if is_complete:  # what comes now is the news that the client has gone, perhaps in an hour
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, f"the body took over {self._within_s:g} s") from None
            got += len(message.get("body", b""))
            is_complete = not message.get("more_body", False)
            if got > self._largest:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {self._largest} bytes")
            return message

        return bounded


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


async def _refuse(send: Send, status: HTTPStatus, detail: str) -> None:
    said = {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}
    body = json.dumps(said).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode()),
               (b"connection", b"close")]  # fmt: skip
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
