"""`hypercare keys DIR`: every secret a deployment needs, in one folder per consumer.

A file is named like the setting it is for: mount `DIR/notifier` where the notifier runs and point
`HYPERCARE_LINK_KEY_FILE` at its `link_key`. Nothing that is there is changed, and what several consumers share is
read from whichever has it, so that it may be run again at any time.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import quote

import typer

from cli.system import EXIT_BAD_INPUT, SCHEMAS, AsJson, fail, show

if TYPE_CHECKING:
    from cli.runtime.secrets import Secrets

PASSWORDS: Final = Path("nats/passwords.conf")
"""Beside the server's `users.conf`, which includes it."""
SUPERUSER: Final = "postgres"
KEYS: Final = {
    "prober": ("ping_key",),
    "incidents": ("token_key",),
    "notifier": ("token_key", "link_key"),
    "console": ("token_key",),
    "migrate": ("token_key",),
    "admin": ("token_key", "ping_key"),
}
"""Which keys a consumer has besides its password on the bus."""
_CONF_LINE: Final = re.compile(r'HYPERCARE_BUS_(\w+): (".*")')


def keys(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the secrets are kept; made if missing.")],
    *,
    database: Annotated[
        str, typer.Option(metavar="HOST:PORT/NAME", help="Where services find the database.")
    ] = "postgres:5432/hypercare",
    owner: Annotated[
        str, typer.Option(metavar="UID:GID", help="Who is to own the folders and files; takes root. Default: you.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Make up the secrets that are missing, one folder per consumer, readable by their owner alone.

    \b
    nats/       passwords.conf: beside the server's users.conf; route_password: between the nodes of a cluster
    postgres/   superuser_password, incidents_password, notifier_password
    migrate/    nats_password, token, token_key, database_url (the superuser's), incidents_password, notifier_password
    admin/      nats_password, token, token_key, ping_key: for this command line and for the console's login
    prober/     nats_password, ping_key
    evaluator/  nats_password
    incidents/  nats_password, token_key, database_url
    notifier/   nats_password, token_key, link_key, database_url
    console/    nats_password, token_key
    platform/   nats_password: for teams that listen on the bus

    What is there is kept: put a file of your own in its place to choose a secret yourself.
    """  # noqa: D301  # the command line wants the control character itself
    who = _owner(owner)
    try:
        made = write_missing(folder, database, who)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}", EXIT_BAD_INPUT)
    said = {"folder": str(folder), "made": [str(path) for path in made]}
    words = [*(f"made {folder / path}" for path in made), *([] if made else [f"nothing was missing in {folder}"])]
    show(said, as_json=as_json, text=lambda: "\n".join(words))


def _owner(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    uid, colon, gid = text.partition(":")
    if not (colon and uid.isdigit() and gid.isdigit()):
        fail(f"--owner: must be two numbers like 10001:10001 (got {text})", EXIT_BAD_INPUT)
    return int(uid), int(gid)


def write_missing(folder: Path, database: str, owner: tuple[int, int] | None = None) -> list[Path]:
    """Write what is missing; returns the files made, relative to the folder. Raises OSError."""
    from cli.runtime.secrets import make_up, write_private
    from shared.contracts.permissions import BUS_USERS

    users = tuple(user.name for user in BUS_USERS)
    wanted = dict(_files(make_up(_kept(folder, users), users, (SUPERUSER, *SCHEMAS)), users, database))
    made = [path for path, text in wanted.items() if not _is_whole(folder / path, text)]
    for path in made:
        (folder / path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(folder / path, wanted[path])
        if owner:
            os.chown(folder / path, *owner)
            os.chown((folder / path).parent, *owner)
    return made


def _is_whole(path: Path, text: str) -> bool:
    """Whether nothing has to be written: a file that is there stays, but the list of passwords may grow."""
    return path.exists() and (path.name != PASSWORDS.name or path.read_text(encoding="utf-8") == text)


def _files(made: "Secrets", users: tuple[str, ...], database: str) -> Iterator[tuple[Path, str]]:
    # Between the nodes of a cluster; nobody else has it. nats-server reads it as a value of its configuration, out of
    # the environment: one that begins with "-" would be a number that is none.
    yield Path("nats/route_password"), f"r{token_urlsafe(24)}"
    yield PASSWORDS, "".join(f"HYPERCARE_BUS_{user.upper()}: {json.dumps(made.bus[user])}\n" for user in users)
    for user in users:
        yield Path(user, "nats_password"), made.bus[user]
    yield Path("migrate/nats_password"), made.bus["admin"]
    for consumer, names in KEYS.items():
        for name in names:
            yield Path(consumer, name), str(getattr(made, name))
    for consumer in ("admin", "migrate"):
        yield Path(consumer, "token"), made.admin_token
    yield Path("postgres/superuser_password"), made.database[SUPERUSER]
    yield Path("migrate/database_url"), _url(SUPERUSER, made, database)
    for schema in SCHEMAS:
        yield Path("postgres", f"{schema}_password"), made.database[schema]
        yield Path("migrate", f"{schema}_password"), made.database[schema]
        yield Path(schema, "database_url"), _url(schema, made, database)


def _url(role: str, made: "Secrets", database: str) -> str:
    return f"postgresql://{role}:{quote(made.database[role], safe='')}@{database}"


def _kept(folder: Path, users: tuple[str, ...]) -> dict[str, object]:
    """What is there already, from whichever consumer has it."""
    bus = {**_of_conf(folder / PASSWORDS), **_of_files(folder, {user: [f"{user}/nats_password"] for user in users})}
    if password := _first(folder, ["migrate/nats_password"]):
        bus.setdefault("admin", password)
    where = {name: [f"{consumer}/{name}" for consumer, names in KEYS.items() if name in names] for name in _key_names()}
    where["admin_token"] = ["admin/token", "migrate/token"]
    roles = {role: [f"postgres/{role}_password", f"migrate/{role}_password"] for role in SCHEMAS}
    roles[SUPERUSER] = ["postgres/superuser_password"]
    return {**_of_files(folder, where), "bus": bus, "database": _of_files(folder, roles)}


def _key_names() -> set[str]:
    return {name for names in KEYS.values() for name in names}


def _of_files(folder: Path, where: Mapping[str, list[str]]) -> dict[str, str]:
    return {name: found for name, paths in where.items() if (found := _first(folder, paths))}


def _first(folder: Path, paths: list[str]) -> str:
    texts = (_text(folder / path) for path in paths)
    return next((text for text in texts if text), "")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def _of_conf(path: Path) -> dict[str, str]:
    return {user.lower(): json.loads(password) for user, password in _CONF_LINE.findall(_text(path))}
