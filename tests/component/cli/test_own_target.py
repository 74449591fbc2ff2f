import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.component.cli.running import STARTS_WITHIN_S, ended_at_last, hypercare, start
from tests.fakes.embedded import wait_until


class Quiet(http.server.SimpleHTTPRequestHandler):
    """The standard library's own, without its lines on standard error."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    """A small web server that was not written for us, and the address of a page on it."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_from_an_address_to_a_system_that_watches_it(site: str, folder: Path) -> None:
    file = folder / "hypercare.yaml"

    assert hypercare("init", site, "-f", file).code == 0
    assert hypercare("init", site, "-f", file).code == 2  # never over somebody's file
    assert hypercare("init", site, "-f", file, "--force", "--json").json() == {
        "file": str(file),
        "service": "site-127-0-0-1",
    }
    assert hypercare("validate", file).code == 0

    with ended_at_last(start(folder / "data", folder / "up", "-f", file)) as up:
        up.wait_watching()
        assert "site-127-0-0-1" in up.out
        assert up.run("status").code == 0
        prober = up.runtime()["addresses"]["prober-0.ops_url"]
        wait_until(
            lambda: 'outcome="ok"' in httpx.get(f"{prober}/metrics", trust_env=False).text,
            "a probe of it went well",
            STARTS_WITHIN_S,
        )
        assert up.run("incident", "list").out == "no incidents\n"
        assert up.stop() == 0
