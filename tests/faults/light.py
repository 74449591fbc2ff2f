"""A target so light that two hundred probes a second measure us and not it, in a thread of its own."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

_WORDS = {200: "OK", 500: "Internal Server Error"}


@dataclass
class Light:
    """Answers every request with one status."""

    url: str = ""
    status: int = 200

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request, answer, hang up."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            head = f"HTTP/1.1 {self.status} {_WORDS[self.status]}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
            writer.write(head.encode())
            await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@contextlib.contextmanager
def running_light() -> Iterator[Light]:
    """Serve on a free port until the block ends."""
    light, started, loop = Light(), threading.Event(), asyncio.new_event_loop()

    async def serve() -> asyncio.Server:
        return await asyncio.start_server(light.answer, "127.0.0.1", 0, backlog=512)

    def work() -> None:
        server = loop.run_until_complete(serve())
        light.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started.set()
        loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    started.wait(10)
    try:
        yield light
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
