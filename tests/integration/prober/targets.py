"""Targets that misbehave in every way a check must name, on random ports of this machine."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import trustme

Serve = Callable[[str, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass
class Target:
    """A server whose answers depend on the path."""

    port: int
    scheme: str = "http"
    requests: list[str] = field(default_factory=list)
    """The whole head of each request."""

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"


async def _serve(path: str, target: Target, writer: asyncio.StreamWriter, stop: asyncio.Event) -> None:
    fixed = {
        "/ok": answer(b'{"status": "ok", "n": 7}', "200 OK", "content-type: application/json"),
        "/500": answer(b"oops", "500 Internal Server Error"),
        "/once": answer(b"", "302 Found", "location: /ok"),
        "/loop": answer(b"", "302 Found", "location: /loop"),
        "/elsewhere": answer(b"", "302 Found", f"location: {target.url('/ok', 'localhost')}"),
        "/to-file": answer(b"", "302 Found", "location: file:///etc/passwd"),
        "/half": b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly",
        "/nothing": b"",
        "/garbage": b"\x00\x01nonsense\r\n\r\n",
        "/says-huge": b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n" + b"x" * 1000,
    }
    if path == "/hang":
        await stop.wait()
    elif path == "/huge":
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(40):
            writer.write(b"x" * 65536)
            await writer.drain()
    elif path == "/drip":
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nx")
        await writer.drain()
        await stop.wait()
    elif path == "/slow":
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.2)
        writer.write(fixed["/ok"])
    else:
        writer.write(fixed.get(path, answer(b"", "404 Not Found")))


@contextlib.asynccontextmanager
async def running_target(tls: ssl.SSLContext | None = None) -> AsyncIterator[Target]:
    stop = asyncio.Event()
    target = Target(0, "https" if tls else "http")

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            target.requests.append(head)
            await _serve(head.split(" ")[1], target, writer, stop)
            await writer.drain()
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    target.port = server.sockets[0].getsockname()[1]
    try:
        yield target
    finally:
        stop.set()
        server.close()
        await server.wait_closed()


def certified(ca: trustme.CA, *names: str, not_after: datetime | None = None) -> ssl.SSLContext:
    """A server context with a certificate for these names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    not_before = None if not_after is None else not_after - timedelta(days=90)
    ca.issue_cert(*names, not_after=not_after, not_before=not_before).configure_cert(context)
    return context


EXPIRED_AT = datetime(2026, 11, 20, tzinfo=UTC)
