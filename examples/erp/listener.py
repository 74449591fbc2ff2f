"""A port that can be closed and opened again while the program goes on, as a crashed server's is."""

import asyncio
import socket
import sys

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState


class Listener:
    """uvicorn's HTTP protocol on one port that can be closed and opened again, with all its connections, at once."""

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        self._config = uvicorn.Config(
            app, http=H11Protocol, ws="none", lifespan="off", log_config=None, timeout_keep_alive=75
        )
        self._config.load()
        self._state = ServerState()
        self._server: asyncio.Server | None = None
        # Bound and never listening, it keeps the port ours while `refuse` has closed the other one.
        self._keeper = _bound(host, port)
        self.host, self.port = host, int(self._keeper.getsockname()[1])

    async def open(self) -> None:
        """Accept connections; does nothing where it does already."""
        if self._server is None:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: H11Protocol(config=self._config, server_state=self._state, app_state={}),
                sock=_bound(self.host, self.port),
            )

    async def close(self) -> None:
        """Stop listening and hang up on everybody."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self.hang_up()

    async def hang_up(self) -> None:
        """Close all connections without a word, and wait until whoever answered them has noticed."""
        for connection in list(self._state.connections):
            connection.transport.abort()
        if self._state.tasks:
            await asyncio.wait(list(self._state.tasks))

    async def end(self) -> None:
        """Close for good and give the port back."""
        await self.close()
        self._keeper.close()


def _bound(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform == "darwin":  # there the keeper and the listener share a port only like this
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"port {port} on {host}: {error.strerror}") from error
    return sock
