"""Where the running system is: the data folder of `hypercare up`, or the environment for any other.

`HYPERCARE_NATS_URL`, `HYPERCARE_NATS_USER`, `HYPERCARE_NATS_PASSWORD(_FILE)`, `HYPERCARE_DATABASE_URL(_FILE)`,
`HYPERCARE_INCIDENTS_URL`, `HYPERCARE_NOTIFIER_URL`, `HYPERCARE_PROBER_URL`, `HYPERCARE_TOKEN(_FILE)`,
`HYPERCARE_TOKEN_KEY(_FILE)` and `HYPERCARE_PING_KEY(_FILE)` win over the data folder. A bus that speaks TLS needs
`HYPERCARE_NATS_CA_FILE`, and `HYPERCARE_NATS_CERT_FILE` and `HYPERCARE_NATS_KEY_FILE` where it asks for a certificate.
"""

import json
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TypeVar
from urllib.parse import quote

import typer

from shared.plain_text import COMMANDS

if TYPE_CHECKING:
    from nats.aio.client import Client

T = TypeVar("T")

DEFAULT_DATA: Final = Path(".hypercare")
SCHEMAS: Final = ("incidents", "notifier")
"""The services that keep a schema in the database."""

EXIT_NOT_DONE: Final = 1
"""The system answered, and what was asked did not happen."""
EXIT_BAD_INPUT: Final = 2
"""A mistake in the command, the configuration or the settings."""
EXIT_UNREACHABLE: Final = 3
"""Nothing answers where the system should be, or it cannot be asked now."""
UNPROCESSABLE: Final = 422
UNAVAILABLE: Final = 503
NOTHING_HERE: Final = "no system found here; is `hypercare up` running? --data names its folder"

# readable=False: typer's own check would say less than `read_runtime` does.
Data = Annotated[Path, typer.Option("--data", help="The data folder of `hypercare up`.", readable=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]


@dataclass(frozen=True)
class System:
    """Addresses and credentials of one running system; absent ones are empty."""

    nats_url: str
    nats_user: str
    nats_password: str = field(repr=False)
    database_urls: Mapping[str, str] = field(repr=False)
    """By schema: each service's own role where there is one."""
    incidents_url: str
    notifier_url: str
    token: str = field(repr=False)
    token_key: str = field(repr=False)
    """Seals the entries of API tokens (`hypercare token create`)."""
    prober_url: str = ""
    """Where heartbeats are sent, as those who send them reach it."""
    role_passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By schema, where `migrate` is to give each service a role of its own in the database."""
    tls: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """How the bus is spoken to, in nats-py's words; empty: in the clear."""


def read_runtime(data: Path) -> dict[str, Any]:
    """What `hypercare up` says of itself; empty when none runs on this folder. Leaves when we may not look into it."""
    try:
        if not data.exists():
            return {}
        from cli.runtime.folder import read_runtime as read  # it needs psutil, which is not in an image without `up`

        return read(data.absolute()) or {}
    except PermissionError:
        fail(f"the data folder {data} belongs to {_owner_of(data)}: run this command as that user", EXIT_UNREACHABLE)


def _owner_of(path: Path) -> str:
    try:
        return f"the user {path.owner()}"
    except (OSError, KeyError):
        return "another user"


def find_system(data: Path) -> System:
    """Find the system: the environment first, then the data folder. What nobody gave stays empty."""
    from shared.kit.settings import environment

    env = environment()
    folder = _of_folder(data)

    def pick(name: str) -> str:
        return env.get(f"HYPERCARE_{name.upper()}") or _from_file(env, name) or folder.get(name, "")

    database_url = env.get("HYPERCARE_DATABASE_URL") or _from_file(env, "database_url")
    return System(
        nats_url=pick("nats_url"),
        nats_user=pick("nats_user"),
        nats_password=pick("nats_password"),
        database_urls=dict.fromkeys(SCHEMAS, database_url) if database_url else _databases_of_folder(data),
        incidents_url=pick("incidents_url"),
        notifier_url=pick("notifier_url"),
        prober_url=pick("prober_url"),
        token=pick("token"),
        token_key=pick("token_key"),
        role_passwords=_role_passwords(env),
        tls=_tls(env),
    )


def _tls(env: Mapping[str, str]) -> Mapping[str, Any]:
    """How to speak to the bus: `HYPERCARE_NATS_CA_FILE`, `_CERT_FILE`, `_KEY_FILE`, as every service is told."""
    from shared.kit.errors import Unusable
    from shared.kit.tls import tls_options

    paths = [env.get(f"HYPERCARE_NATS_{name}_FILE") for name in ("CA", "CERT", "KEY")]
    try:
        return tls_options(*(Path(path) if path else None for path in paths))
    except Unusable as error:
        fail(str(error), EXIT_BAD_INPUT)


def _role_passwords(env: Mapping[str, str]) -> dict[str, str]:
    """What `HYPERCARE_<SCHEMA>_PASSWORD` or its `_FILE` twin says."""
    found = {
        name: env.get(f"HYPERCARE_{name.upper()}_PASSWORD") or _from_file(env, f"{name}_password") for name in SCHEMAS
    }
    return {name: password for name, password in found.items() if password}


def _from_file(env: Mapping[str, str], name: str) -> str:
    """What `HYPERCARE_<NAME>_FILE` points to; empty when it is not set."""
    variable = f"HYPERCARE_{name.upper()}_FILE"
    if variable not in env:
        return ""
    try:
        return Path(env[variable]).read_text(encoding="utf-8").strip()
    except OSError as error:
        fail(f"{variable}: cannot read {env[variable]}: {error.strerror}", EXIT_BAD_INPUT)


def _databases_of_folder(data: Path) -> dict[str, str]:
    """Where each service's own role finds its schema on a laptop; empty when nothing runs there."""
    socket_folder = read_runtime(data).get("addresses", {}).get("database")
    passwords = _secrets(data).get("database", {})
    if not socket_folder or not all(name in passwords for name in SCHEMAS):
        return {}
    from cli.runtime.postgres import DATABASE, dsn_of

    return {name: dsn_of(name, passwords[name], Path(socket_folder), DATABASE) for name in SCHEMAS}


def _of_folder(data: Path) -> dict[str, str]:
    """What a running `hypercare up` and its secrets tell, for whoever may read them."""
    runtime = read_runtime(data)
    if not runtime:
        return {}
    secrets = _secrets(data)
    return {
        **runtime.get("addresses", {}),
        "nats_user": "admin",
        "nats_password": secrets.get("bus", {}).get("admin", ""),
        "token": secrets.get("admin_token", ""),
        "token_key": secrets.get("token_key", ""),
    }


def ping_key_of(data: Path) -> str:
    """What heartbeat addresses are derived from: the environment's, else the data folder's; empty when unreadable."""
    from shared.kit.settings import environment

    env = environment()
    return env.get("HYPERCARE_PING_KEY") or _from_file(env, "ping_key") or str(_secrets(data).get("ping_key", ""))


def _secrets(data: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((data / "secrets.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def fail(message: str, code: int) -> NoReturn:
    """Say on standard error what went wrong and leave."""
    typer.echo(harmless(f"hypercare: {message}"), err=True)
    raise typer.Exit(code)


def show(value: object, *, as_json: bool, text: Callable[[], str]) -> None:
    """Print JSON for scripts, or words for people."""
    if as_json:
        written = json.dumps(value, indent=2, default=str, ensure_ascii=False)
        typer.echo(COMMANDS.sub(lambda found: f"\\u{ord(found[0]):04x}", written))  # the same to whoever reads JSON
    else:
        typer.echo(harmless(text()))


_OURS_OR_COMMAND: Final = re.compile(rf"(?P<ours>\x1b\[(?:31|0)m)|{COMMANDS.pattern}")


def harmless(text: str) -> str:
    """A text for a terminal: what others wrote into it cannot move the cursor or turn the line around.

    Of what a terminal obeys only our own red stays.
    """
    return _OURS_OR_COMMAND.sub(lambda found: found["ours"] or " ", text)


def hanging(text: str, indent: int) -> str:
    """A text whose further lines are set off below its first: none of them must look like one of ours."""
    return f"\n{'':{indent}}| ".join(text.splitlines())


def table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Columns for people: as wide as their longest cell, no decoration."""
    widths = [max(len(row[i]) for row in [headings, *rows]) for i in range(len(headings))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [headings, *rows]
    )


@asynccontextmanager
async def admin_bus(system: System) -> "AsyncIterator[Client]":
    """A connection to the bus as `admin`; leaves with exit code 3 and words when nothing answers."""
    import nats
    from nats.errors import Error as NatsError

    from shared.kit.bus import in_words

    if not system.nats_url:
        fail(NOTHING_HERE, EXIT_UNREACHABLE)
    said: list[Exception] = []

    async def remember(error: Exception) -> None:
        said.append(error)

    options: dict[str, Any] = {
        "connect_timeout": 5,
        "allow_reconnect": False,
        "max_reconnect_attempts": 1,  # by default the client would try the first connection for two minutes
        "reconnect_time_wait": 0.2,
        "error_cb": remember,
    }
    if system.nats_user:
        options |= {"user": system.nats_user, "password": system.nats_password}
    options |= system.tls
    try:
        client = await nats.connect([url.strip() for url in system.nats_url.split(",")], **options)
    except (NatsError, OSError, TimeoutError) as error:
        why = said[-1] if said else error
        fail(f"the bus at {system.nats_url} does not answer: {in_words(why)}", EXIT_UNREACHABLE)
    try:
        yield client
    finally:
        await client.close()


def call(base: str, token: str, method: str, path: str, body: dict[str, object] | None = None) -> Any:
    """Call a service's API and return its JSON; None for an empty answer.

    A problem is said in its own words, with exit code 1; 2 where the input was wrong, 3 where nobody could answer.
    """
    import httpx

    if not base:
        fail(NOTHING_HERE, EXIT_UNREACHABLE)
    try:
        answer = httpx.request(
            method, base + path, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=10, trust_env=False
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        fail(f"{base} does not answer: {error}", EXIT_UNREACHABLE)
    if not answer.is_success:  # nothing of ours sends elsewhere: a redirection is somebody else's answer
        codes = {UNPROCESSABLE: EXIT_BAD_INPUT, UNAVAILABLE: EXIT_UNREACHABLE}
        fail(_words_of(answer), codes.get(answer.status_code, EXIT_NOT_DONE))
    return answer.json() if answer.content else None


def step_of(word: str, what: str) -> str:
    """An id or name that a person typed, as one step of an API's path. Leaves with exit code 2 when it cannot be one.

    Quoting is not enough: `.` is taken out of a path and `%2F` is read as `/`, and another resource would answer.
    """
    if word in {"", ".", ".."} or "/" in word or not word.isprintable():
        fail(f"{word!r} cannot be {what}", EXIT_BAD_INPUT)
    return f"/{quote(word, safe='')}"


def _words_of(answer: Any) -> str:
    try:
        said = answer.json()
    except ValueError:
        return f"{answer.status_code} {answer.text[:200]}"
    details = "; ".join(f"{e['where'].split('.', 1)[-1]}: {e['what']}" for e in said.get("errors", []))
    return details or str(said.get("detail", said))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's async body; errors we know are said in words."""
    import asyncio

    from nats.errors import Error as NatsError

    from shared.kit.errors import Permanent, Refused, Transient, Unusable
    from shared.kit.logging import log_beside_the_answer

    log_beside_the_answer()
    try:
        return asyncio.run(work)
    except Unusable as error:
        fail(str(error), EXIT_BAD_INPUT)
    except (Refused, Permanent) as error:
        fail(error.reason, EXIT_NOT_DONE)
    except Transient as error:
        fail(error.reason, EXIT_UNREACHABLE)
    except (NatsError, OSError, TimeoutError) as error:  # it went away while we were talking
        fail(f"the system stopped answering: {str(error) or repr(error)}", EXIT_UNREACHABLE)


def clock_of(instant: str) -> str:
    """An instant of an API (RFC 3339, UTC) as people read it: `2026-02-20 12:34:56Z`."""
    return f"{instant[:19].replace('T', ' ')}Z" if instant[19:20] in {".", "Z", "+"} else instant
