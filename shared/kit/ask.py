"""Ask an address whether all is well, as a container's health check: `python -m shared.kit.ask [URL]`.

Without a URL it asks whether the service in this container is ready. It imports nothing but the standard library,
because it is started every few seconds.
"""

import http.client
import os
import sys
from typing import Final
from urllib.parse import urlsplit

_TIMEOUT_S: Final = 4.0


def ask(url: str) -> str | None:
    """Return None when the address answers 200, else what is wrong in one line."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", parts.path or "/")
        answer = connection.getresponse()
        said = answer.read(2000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return f"{url}: {error}"
    finally:
        connection.close()
    return None if answer.status == http.client.OK else f"{url}: {answer.status} {said}"


def main() -> None:
    """Exit 0 when well, 1 when not; what is wrong goes to standard output, where `docker inspect` shows it."""
    port = os.environ.get("HYPERCARE_OPS_PORT", "9000")  # noqa: TID251  # reading settings properly takes half a second
    wrong = ask(sys.argv[1] if len(sys.argv) > 1 else f"http://127.0.0.1:{port}/readyz")
    if wrong is not None:
        sys.stdout.write(f"{wrong}\n")
        raise SystemExit(1)


if __name__ == "__main__":
    main()
