"""A small whole world for the tests: the bus, the database and one service, supervised, as a program of its own.

Run as `python -m tests.integration.runtime.world FOLDER [SERVICE_ARGV...]`. It prints `ready`, then stays up.
"""

import asyncio
import sys
from pathlib import Path

import asyncpg

from cli.runtime.folder import DataFolder
from cli.runtime.logview import LogView
from cli.runtime.nats import BusLogin
from cli.runtime.ports import Ports
from cli.runtime.servers import nats_spec, postgres_setup, postgres_spec, service_spec
from cli.runtime.supervisor import Supervisor, supervise
from shared.kit.clock import SystemClock
from shared.kit.errors import Unusable
from shared.kit.settings import environment, exit_unusable

_SERVICE = (
    "import http.server,sys\n"
    "class Ready(http.server.BaseHTTPRequestHandler):\n"
    "    def do_GET(self): self.send_response(200); self.end_headers()\n"
    "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Ready).serve_forever()\n"
)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def run(path: Path) -> None:
    """Run the world on a data folder until it is told to stop."""
    folder = DataFolder.open(path, SystemClock())
    view = LogView(_write, is_terminal=False)
    try:
        asyncio.run(_run(folder, view))
    finally:
        folder.close()


async def _run(folder: DataFolder, view: LogView) -> None:
    secrets = folder.secrets(["admin"], ["postgres", "incidents"])
    ports = Ports(folder.ports())
    bus_port, ops_port = ports.choose("nats"), ports.choose("sleeper")
    folder.remember_ports(ports.chosen)
    database = postgres_setup(folder, secrets.database)
    addresses = {"nats": f"nats://127.0.0.1:{bus_port}", "database": database.dsn("incidents")}

    async def body(supervisor: Supervisor) -> None:
        bus = nats_spec(folder, (BusLogin("admin", secrets.bus["admin"]),), bus_port)
        await supervisor.start([bus, postgres_spec(database)])
        connection = await asyncpg.connect(database.dsn("incidents"))
        await connection.execute("CREATE SCHEMA IF NOT EXISTS incidents")
        await connection.close()
        argv = (sys.executable, "-c", _SERVICE, str(ops_port))
        await supervisor.start(
            [service_spec(folder, "sleeper", argv, {"PATH": environment().get("PATH", "")}, ops_port, cwd=Path("/"))]
        )
        folder.write_runtime(addresses, supervisor.processes())
        _write("ready\n")
        await supervisor.wait()

    await supervise(body, view, lambda processes: folder.write_runtime(addresses, processes))


if __name__ == "__main__":
    try:
        run(Path(sys.argv[1]))
    except Unusable as error:
        exit_unusable(error)
