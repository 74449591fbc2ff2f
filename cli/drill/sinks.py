"""The process that runs all sinks: `python -m cli.drill.sinks --data DIR`."""

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from starlette.applications import Starlette

from cli.drill.behaviour import Behaviours
from cli.drill.certificate import own_certificate
from cli.drill.desk import Desk
from cli.drill.inbox import InboxPages
from cli.drill.links import LinkStates
from cli.drill.serving import LocalServer, listening_socket
from cli.drill.slack import SlackSink
from cli.drill.smtp import Login, MailServer, SmtpOptions
from cli.drill.store import DataFolderHeldError, Journal, Store
from cli.drill.twilio import TwilioSink
from cli.drill.webhook import WebhookSink
from shared.kit.clock import Clock, SystemClock
from shared.kit.errors import Unusable
from shared.kit.settings import secret_value

ADDRESSES_FILE: Final = "sinks.json"


@dataclass(frozen=True)
class Options:
    """How to run the sinks. Port 0: the one used in this folder before, else a free one."""

    data: Path
    host: str = "127.0.0.1"
    smtp_port: int = 0
    http_port: int = 0
    starttls: bool = False
    login: Login | None = None
    webhook_secret: str | None = None
    callbacks_to: str | None = None


@dataclass(frozen=True)
class Addresses:
    """Where the sinks answer, as `sinks.json` says it. smtp_ca: the authority to trust for STARTTLS, if offered."""

    pid: int
    smtp_host: str
    smtp_port: int
    smtp_ca: str | None
    http_url: str
    inbox_url: str
    twilio_url: str
    slack_url: str
    webhook_url: str


@dataclass(frozen=True)
class Running:
    """Sinks that answer."""

    addresses: Addresses
    desk: Desk


@asynccontextmanager
async def running(options: Options, clock: Clock) -> AsyncIterator[Running]:
    """Run the sinks in this event loop; they answer, and `sinks.json` is there, when the block begins.

    Raises OSError where a port asked for is taken, DataFolderHeldError where the folder has its sinks already.
    """
    async with AsyncExitStack() as stack:
        journal = Journal(options.data / "received.jsonl")
        stack.callback(journal.close)
        texts = Journal(options.data / "twilio.jsonl")
        stack.callback(texts.close)
        before = _addresses_before(options.data)
        mail_socket = _socket(options.host, options.smtp_port, before.smtp_port if before else 0)
        stack.callback(mail_socket.close)
        web_socket = _socket(options.host, options.http_port, _port_of(before))
        stack.callback(web_socket.close)
        tls, ca = own_certificate(options.data) if options.starttls else (None, None)

        app = Starlette()
        web = LocalServer(app)
        desk = Desk(clock, Store(journal), Behaviours(), web.hang_up)
        links = LinkStates(options.callbacks_to)
        stack.push_async_callback(links.close)
        twilio = TwilioSink(desk, texts, options.callbacks_to)
        for sink in (twilio, SlackSink(desk), WebhookSink(desk, options.webhook_secret), InboxPages(desk, links)):
            app.router.routes.extend(sink.routes())
        mail = MailServer(desk, SmtpOptions(tls, options.login))

        addresses = _addresses(options.host, mail_socket, web_socket, ca)
        await mail.start(mail_socket)
        stack.push_async_callback(mail.stop)
        stack.push_async_callback(twilio.stop)
        await web.start(web_socket)
        stack.push_async_callback(web.stop)
        _write_whole(options.data / ADDRESSES_FILE, json.dumps(asdict(addresses), indent=2))
        yield Running(addresses, desk)


def _socket(host: str, wanted: int, before: int) -> socket.socket:
    """Bind the port asked for, or the one known in this folder, or a free one."""
    if wanted or not before:
        return listening_socket(host, wanted)
    try:
        return listening_socket(host, before)
    except OSError:
        return listening_socket(host, 0)


def _addresses_before(data: Path) -> Addresses | None:
    """Return where the sinks of this folder answered last time; None the first time, or where the file is spoilt."""
    try:
        return Addresses(**json.loads((data / ADDRESSES_FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _port_of(addresses: Addresses | None) -> int:
    return int(addresses.http_url.rpartition(":")[2]) if addresses else 0


def _addresses(host: str, mail: socket.socket, web: socket.socket, ca: Path | None) -> Addresses:
    url = f"http://{f'[{host}]' if ':' in host else host}:{web.getsockname()[1]}"
    return Addresses(
        pid=os.getpid(),
        smtp_host=host,
        smtp_port=mail.getsockname()[1],
        smtp_ca=str(ca) if ca else None,
        http_url=url,
        inbox_url=f"{url}/",
        twilio_url=url,
        slack_url=f"{url}/services/T0DRILL/B0DRILL/secret",
        webhook_url=f"{url}/hooks/drill",
    )


def _write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of it."""
    new = path.with_suffix(f".{os.getpid()}.new")
    new.write_text(text + "\n")
    new.replace(path)


async def serve(options: Options) -> None:
    """Run the sinks until SIGTERM or SIGINT; print where they are as one JSON line when they answer."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(options, SystemClock()) as sinks:
        print(json.dumps({"event": "sinks_ready", **asdict(sinks.addresses)}), flush=True)
        await stop.wait()


def run(options: Options) -> int:
    """Run the sinks and return the exit code: 1 with one readable line where they cannot start."""
    try:
        asyncio.run(serve(options))
    except (OSError, DataFolderHeldError, ModuleNotFoundError) as error:
        print(f"drill sinks: {error}", file=sys.stderr)
        return 1
    return 0


def login_at(where: str) -> Login:
    """Read the `user:password` at `env:NAME` or `file:/path`; the password may contain colons. Raises Unusable."""
    user, colon, password = secret_value(where).partition(":")
    if not colon:
        raise Unusable(f"what is at {where} is not user:password")
    return Login(user, password)


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m cli.drill.sinks", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder for what arrives and for sinks.json")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--smtp-port", type=int, default=0, help="0: the one used before, else a free one")
    parser.add_argument("--http-port", type=int, default=0, help="0: the one used before, else a free one")
    parser.add_argument("--starttls", action="store_true", help="offer STARTTLS with a certificate of our own")
    where = "env:NAME or file:/path"  # never the secret itself: arguments are there for everybody to read
    parser.add_argument(
        "--smtp-login", type=login_at, dest="login", metavar="WHERE", help=f"ask for the user:password at {where}"
    )
    parser.add_argument(
        "--webhook-secret", type=secret_value, metavar="WHERE", help=f"check signatures with the secret at {where}"
    )
    parser.add_argument(
        "--callbacks-to", metavar="URL", help="report to this server instead of the one a message names"
    )
    try:
        return Options(**vars(parser.parse_args()))
    except Unusable as error:
        parser.error(str(error))


if __name__ == "__main__":
    sys.exit(run(_options()))
