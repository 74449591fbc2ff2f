"""nginx as Debian ships it, run as a plain process with a configuration of the test's own."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.fakes.embedded import wait_until

BINARY: Final = shutil.which("nginx", path=f"{os.defpath}:/usr/sbin:/usr/local/sbin")
"""Distributions put it where only root's PATH looks."""

_FRAME: Final = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr notice;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  default_type application/json;
  {servers}
}}
"""


@dataclass
class Nginx:
    """One nginx in a folder of its own; `start` and `reload` return when it works by what they were given."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def _log(self) -> Path:
        return self.folder / "error.log"

    def _configure(self, servers: str) -> None:
        self.folder.mkdir(exist_ok=True)
        text = _FRAME.format(folder=self.folder, servers=servers)
        (self.folder / "nginx.conf").write_text(text, encoding="utf-8")
        self._log.touch()

    def _workers_started(self) -> int:
        """It listens before it starts a worker, and says that it does so."""
        return self._log.read_text(errors="replace").count("start worker process ")

    def start(self, servers: str) -> None:
        """Run it with these `server` blocks."""
        self._configure(servers)
        before = self._workers_started()
        with self._log.open("ab") as log:
            self.process = process = subprocess.Popen(
                [str(BINARY), "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), "-e", "stderr"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(lambda: process.poll() is not None or self._workers_started() > before, "nginx works")
        assert process.poll() is None, self._log.read_text(errors="replace")

    def reload(self, servers: str) -> None:
        """Have it work by other `server` blocks, as an operator does: no request is lost."""
        assert self.process is not None
        self._configure(servers)
        before = self._workers_started()
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self._workers_started() > before, f"nginx works by its new configuration ({self._log})")

    def stop(self) -> None:
        """End it and its workers."""
        if self.process is None:
            return
        process, self.process = self.process, None
        process.terminate()
        try:
            process.wait(10)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


class Ports:
    """Free ports that nobody else can take, and where a connection is refused, until they are given away."""

    def __init__(self) -> None:
        self._kept: dict[int, socket.socket] = {}

    def take(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Keep a port: any free one, or this one."""
        kept = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of before may still be fading away
        kept.bind((host, port))
        port = kept.getsockname()[1]
        self._kept[port] = kept
        return port

    def give(self, port: int) -> None:
        """Let somebody listen there."""
        self._kept.pop(port).close()

    def close(self) -> None:
        """Let all go."""
        for kept in self._kept.values():
            kept.close()


def has_ipv6() -> bool:
    """Whether this machine can talk to itself by IPv6."""
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
    except OSError:
        return False
    return True


@contextlib.contextmanager
def silent_upstream() -> Iterator[int]:
    """The port of a program that lets others connect and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        yield int(listener.getsockname()[1])
