"""Ask an address whether all is well, as a container's health check: `python -m shared.kit.ask [URL]`.

Without a URL it asks whether the service in this container is ready. It is started every few seconds in every
container: http.client alone would double what that costs.
"""

import os
import socket
import sys
from typing import Final
from urllib.parse import urlsplit

_TIMEOUT_S: Final = 4.0


def ask(url: str) -> str | None:
    """Return None when the address answers 200, else what is wrong in one line."""
    parts = urlsplit(url)
    request = f"GET {parts.path or '/'} HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n"
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=_TIMEOUT_S) as connection:
            connection.sendall(request.encode())
            answer = b"".join(iter(lambda: connection.recv(65_536), b"")).decode(errors="replace")
    except OSError as error:
        return f"{url}: {error}"
    head, _, said = answer.partition("\r\n\r\n")
    status = head.partition("\r\n")[0]
    return None if " 200 " in status else f"{url}: {status} {said}"


def main() -> None:
    """Exit 0 when well, 1 when not; what is wrong goes to standard output, where `docker inspect` shows it."""
    port = os.environ.get("HYPERCARE_OPS_PORT", "9000")  # noqa: TID251  # reading settings properly takes half a second
    wrong = ask(sys.argv[1] if len(sys.argv) > 1 else f"http://127.0.0.1:{port}/readyz")
    if wrong is not None:
        sys.stdout.write(f"{wrong}\n")
        raise SystemExit(1)


if __name__ == "__main__":
    main()
