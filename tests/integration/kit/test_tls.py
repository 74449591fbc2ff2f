"""TLS to the bus with the shipped configuration: both sides prove who they are, and nothing is said before."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
import pytest
import trustme
from nats.errors import Error as NatsError
from pydantic import SecretStr

from cli.keys import write_missing
from cli.runtime.child import Launch
from cli.runtime.nats import find_nats_server
from cli.runtime.ports import Ports
from cli.system import admin_bus, find_system
from shared.contracts.streams import STREAMS
from shared.kit.broker import build_broker
from shared.kit.bus import connect_options, connected, declare_all, is_alive
from shared.kit.errors import Unusable
from shared.kit.settings import BusSettings
from tests.fakes.embedded import Server

SHIPPED = Path(__file__).parents[3] / "deploy" / "nats"


@dataclass
class TlsServer(Server):
    """deploy/nats as it is, but for its places."""

    port: int = 0

    def _launch(self) -> Launch:
        return Launch(argv=(str(find_nats_server()), "-c", str(self.folder / "nats/nats.conf")), env={})

    def _is_ready(self) -> bool:
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0


@dataclass(frozen=True)
class Secured:
    """A server and what a client needs to reach it."""

    server: TlsServer
    settings: BusSettings


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("tls")
    ports = Ports()
    authority, port = trustme.CA(), ports.choose("nats")
    authority.cert_pem.write_to_path(folder / "ca.crt")
    for name, identity in (("tls", "127.0.0.1"), ("client", "prober.example.org")):
        made = authority.issue_cert(identity)
        made.cert_chain_pems[0].write_to_path(folder / f"{name}.crt")
        made.private_key_pem.write_to_path(folder / f"{name}.key")
    trustme.CA().cert_pem.write_to_path(folder / "stranger.crt")
    write_missing(folder / "keys", "postgres:5432/hypercare")
    shutil.copytree(SHIPPED, folder / "nats")
    shutil.copy(folder / "keys/nats/passwords.conf", folder / "nats/passwords.conf")
    tls = (SHIPPED / "tls/tls.conf").read_text(encoding="utf-8").replace("/run/tls", str(folder))
    (folder / "nats/tls.conf").write_text(tls, encoding="utf-8")
    conf = (SHIPPED / "nats.conf").read_text(encoding="utf-8").replace("port: 4222", f"listen: 127.0.0.1:{port}")
    conf = conf.replace('"/data"', f'"{folder}/store"')
    (folder / "nats/nats.conf").write_text(conf, encoding="utf-8")
    server = TlsServer(folder, port=port)
    server.start()
    settings = BusSettings(
        nats_url=f"nats://127.0.0.1:{port}",
        nats_user="prober",
        nats_password=SecretStr((folder / "keys/prober/nats_password").read_text(encoding="utf-8")),
        nats_ca_file=folder / "ca.crt",
        nats_cert_file=folder / "client.crt",
        nats_key_file=folder / "client.key",
    )
    yield Secured(server, settings)
    server.close()


async def nats_once(secured: Secured, options: dict[str, Any], url: str = "") -> None:
    """Connect, and do not try again. Raises what the first attempt raises."""
    once = {**options, "allow_reconnect": False, "max_reconnect_attempts": 0, "error_cb": None}
    client = await nats.connect(url or secured.settings.nats_url, **once)
    await client.close()


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[int, bytearray]]:
    """A server that greets in the clear, asks for no TLS, and remembers what it is told."""
    heard = bytearray()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id": "x", "version": "2.15.0", "auth_required": true, "max_payload": 1024}\r\n')
        while part := await reader.read(1000):
            heard.extend(part)
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heard


async def test_a_service_speaks_tls_with_its_client_and_its_broker(secured: Secured) -> None:
    async with connected(secured.settings, "prober") as client:
        assert await is_alive(client, timeout=10)
    broker = build_broker(secured.settings, "prober")
    assert await is_alive(await broker.connect(), timeout=10)
    await broker.stop()


async def test_the_command_line_speaks_tls_too(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = secured.server.folder
    for name, value in {
        "URL": secured.settings.nats_url,
        "USER": "admin",
        "PASSWORD_FILE": f"{folder}/keys/admin/nats_password",
        "CA_FILE": f"{folder}/ca.crt",
        "CERT_FILE": f"{folder}/client.crt",
        "KEY_FILE": f"{folder}/client.key",
    }.items():
        monkeypatch.setenv(f"HYPERCARE_NATS_{name}", value)
    async with admin_bus(find_system(folder / "nothing")) as client:
        assert await is_alive(client, timeout=10)


async def test_the_shipped_server_has_room_for_every_stream_by_its_own_limit(secured: Secured) -> None:
    password = (secured.server.folder / "keys/admin/nats_password").read_text(encoding="utf-8")
    admin = secured.settings.model_copy(update={"nats_user": "admin", "nats_password": SecretStr(password)})

    async with connected(admin, "admin") as client:
        changes = await declare_all(client.jetstream())

    assert {f"stream {one.name} created" for one in STREAMS} <= {*changes}
    assert "max_file_store: 14GB" in (SHIPPED / "nats.conf").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "missing", [{"nats_ca_file": "stranger.crt"}, {"nats_cert_file": None, "nats_key_file": None}], ids=["ca", "own"]
)
async def test_a_side_that_cannot_prove_who_it_is_is_refused(secured: Secured, missing: dict[str, str | None]) -> None:
    changed = {name: file and secured.server.folder / file for name, file in missing.items()}
    options = connect_options(secured.settings.model_copy(update=changed), "prober")
    with pytest.raises((NatsError, OSError)):
        await nats_once(secured, options)


async def test_a_client_that_wants_tls_says_nothing_to_a_server_without(secured: Secured) -> None:
    """Else a server in between would be told the password by asking for no TLS."""
    async with listening() as (port, heard):
        settings = secured.settings.model_copy(update={"nats_url": f"nats://127.0.0.1:{port}"})
        with pytest.raises((NatsError, OSError, TimeoutError)):
            await nats_once(secured, connect_options(settings, "prober"), settings.nats_url)
    assert b"CONNECT" not in heard
    assert heard


def test_what_cannot_be_used_is_said_before_the_first_connection(secured: Secured) -> None:
    absent = secured.server.folder / "absent.crt"
    with pytest.raises(Unusable, match=r"TLS to the bus: cannot use .*absent.crt"):
        connect_options(secured.settings.model_copy(update={"nats_ca_file": absent}), "prober")
    with pytest.raises(Unusable, match="need HYPERCARE_NATS_CA_FILE"):
        connect_options(secured.settings.model_copy(update={"nats_ca_file": None}), "prober")
