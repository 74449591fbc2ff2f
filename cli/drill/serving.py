"""An HTTP server on a socket of ours that stops at once, can hang up on a client, and leaves the signals alone."""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

_STOP_S: Final = 2.0
_KEEP_ALIVE_S: Final = 75
"""Long: a connection closed just as a client uses it again would be a failure that nobody asked for."""

HangUp = Callable[[tuple[str, int]], None]
"""Closes the connection of the client at this address."""


def listening_socket(host: str, port: int) -> socket.socket:
    """Bind a TCP port (0: a free one); raise OSError, naming the port, where it is taken."""
    # asyncio turns Nagle's algorithm off only where the protocol is named; with it, each reply in parts waits 40 ms.
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"port {port} on {host}: {error.strerror}") from error
    return sock


class LocalServer:
    """uvicorn's protocol without its main loop, which stops only at its next tick and takes the signals."""

    def __init__(self, app: ASGIApp) -> None:
        self._config = uvicorn.Config(
            app,
            http=H11Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
        )
        self._config.load()
        self._state = ServerState()
        self._listener: asyncio.Server | None = None

    async def start(self, sock: socket.socket) -> None:
        """Answer on this socket, which is ours from now on; connections are accepted when this returns."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            lambda: H11Protocol(config=self._config, server_state=self._state, app_state={}), sock=sock
        )

    async def stop(self) -> None:
        """Close the socket and every connection, and wait until the handlers have noticed."""
        if self._listener is not None:
            self._listener.close()
        for connection in list(self._state.connections):
            connection.transport.abort()
        if self._state.tasks:
            # Handlers wait for a disconnect, never just sleep, so they end now; the limit is for one that does not.
            await asyncio.wait(list(self._state.tasks), timeout=_STOP_S)

    def hang_up(self, client: tuple[str, int]) -> None:
        """Close the connection of one client after what was already sent to it."""
        for connection in list(self._state.connections):
            if connection.transport.get_extra_info("peername")[:2] == client:
                connection.transport.close()


class HalfAnswer(Response):
    """Sends the head and half of the body, then hangs up: the client knows neither yes nor no."""

    def __init__(self, whole: Response, hang_up: HangUp) -> None:
        super().__init__(whole.body, whole.status_code, dict(whole.headers))
        self._hang_up = hang_up

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as ASGI wants it, up to the middle."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body[: len(self.body) // 2], "more_body": True})
        self._hang_up(tuple(scope["client"]))
        await gone(receive)


async def pause(request: Request, seconds: float) -> None:
    """Wait so long, or until the client has gone."""
    try:
        await asyncio.wait_for(gone(request.receive), seconds)
    except TimeoutError:
        return


async def gone(receive: Receive) -> None:
    """Wait until the client has hung up; what it still sends is dropped."""
    while (await receive())["type"] != "http.disconnect":
        pass
