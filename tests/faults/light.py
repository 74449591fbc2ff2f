"""A target so light that two hundred probes a second measure us and not it.

A program of its own, so that nobody else's work makes it slow: `python light.py [HOST PORT]`, with nothing but the
standard library. `PUT /status/500` makes it answer 500 from then on.
"""

import asyncio
import contextlib
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_WORDS = {200: "OK", 500: "Internal Server Error"}


@dataclass
class Light:
    """Where it answers."""

    url: str

    def answer_with(self, status: int) -> None:
        """From now on."""
        request = urllib.request.Request(f"{self.url}/status/{status}", method="PUT")  # noqa: S310  # our own address
        with contextlib.suppress(OSError):  # it answers by the new status, which may be an error
            urllib.request.urlopen(request, timeout=10).close()  # noqa: S310  # our own address


@contextlib.contextmanager
def running_light() -> Iterator[Light]:
    """Serve on a free port until the block ends."""
    argv = [sys.executable, "-m", "tests.faults.light"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(argv, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Light(process.stdout.readline().strip())
        finally:
            process.kill()


async def _serve(host: str, port: int) -> None:
    status = 200

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal status
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            method, path, _ = (await reader.readuntil(b"\r\n\r\n")).decode().split(" ", 2)
            if method == "PUT":
                status = int(path.rpartition("/")[2])
            head = f"HTTP/1.1 {status} {_WORDS[status]}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
            writer.write(head.encode())
            await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(answer, host, port, backlog=512)
    sys.stdout.write(f"http://{host}:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    where = sys.argv[1:] or ["127.0.0.1", "0"]
    asyncio.run(_serve(where[0], int(where[1])))
