"""The processes of a laptop as the supervisor wants them: the bus, the database, and services."""

import http.client
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from cli.runtime.account import account_for, place_cluster, place_sockets, reachable_binaries
from cli.runtime.child import DATA_MARKER, Launch
from cli.runtime.folder import DataFolder
from cli.runtime.nats import BusLogin, NatsSetup, answers, prepare_nats
from cli.runtime.postgres import PostgresSetup, accepts_connections, prepare_postgres
from cli.runtime.supervisor import ProcessSpec

ANSWER_WITHIN_S: Final = 4.0
"""Twice as long as a service asks the bus before it calls itself ill, which is an answer too."""
STORE_STOP_S: Final = 2.5
"""A store that takes longer to stop is killed: both survive that, they only start a little slower."""


def nats_spec(folder: DataFolder, logins: tuple[BusLogin, ...], port: int) -> ProcessSpec:
    """The bus on `<folder>/nats`. The first login asks whether it is ready."""
    setup = NatsSetup(folder.path / "nats", port, logins, lock_fd=folder.lock_fd, marker=str(folder.path))
    return ProcessSpec(
        name="nats",
        launch=lambda: prepare_nats(setup),
        is_ready=lambda: answers(port, logins[0] if logins else None),
        dialect="nats",
        stop_timeout_s=STORE_STOP_S,
    )


def postgres_setup(folder: DataFolder, passwords: Mapping[str, str]) -> PostgresSetup:
    """Find a place for the cluster and its socket; `.dsn(role)` tells how to reach it. Raises Unusable."""
    cluster = place_cluster(folder.path)
    account = account_for(cluster)
    return PostgresSetup(
        cluster=cluster,
        socket_folder=place_sockets(folder.path / "run", account),
        binaries=reachable_binaries(account),
        passwords=passwords,
        account=account,
        lock_fd=folder.lock_fd,
        marker=str(folder.path),
    )


def postgres_spec(setup: PostgresSetup) -> ProcessSpec:
    """The database."""
    return ProcessSpec(
        name="postgres",
        launch=lambda: prepare_postgres(setup),
        is_ready=lambda: accepts_connections(setup.socket_folder),
        dialect="postgres",
        stop_timeout_s=STORE_STOP_S,
    )


def service_spec(
    folder: DataFolder, name: str, argv: Sequence[str], env: Mapping[str, str], ops_port: int, *, cwd: Path
) -> ProcessSpec:
    """A service replica that says on `http://127.0.0.1:<ops_port>/readyz` whether it is ready. `env` is all it gets."""
    launch = Launch(argv=tuple(argv), env={**env, DATA_MARKER: str(folder.path)}, cwd=cwd)
    return ProcessSpec(
        name=name,
        launch=lambda: launch,
        is_ready=lambda: says_ready(ops_port),
        answers=lambda: _status_of(ops_port, "/livez") is not None,
    )


def says_ready(port: int) -> bool:
    """Whether `/readyz` on this port of ours answers 200."""
    return _status_of(port, "/readyz") == http.client.OK


def _status_of(port: int, path: str) -> int | None:
    """The status with which a port of ours answers; None for no answer in time."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_WITHIN_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
