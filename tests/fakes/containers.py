"""The same servers as `embedded`, out of the official images on a Docker engine: same verbs, same life.

Every container carries the label LABEL, so that what a killed test run left behind is found:
`docker ps -a --filter label=org.hypercare.test`.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import docker
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from cli.runtime.nats import NatsSetup, prepare_nats
from cli.runtime.ports import Ports
from cli.runtime.postgres import DATABASE, SUPERUSER, lets_log_in
from shared.kit.settings import environment
from tests.fakes.embedded import NatsServer, PostgresServer, Server

LABEL: Final = "org.hypercare.test"
NATS_IMAGE: Final = environment().get("NATS_IMAGE") or "nats:2.15"
POSTGRES_IMAGE: Final = environment().get("POSTGRES_IMAGE") or "postgres:17"

# Its reaper is an image of its own, which not every engine can fetch; `close` and `atexit` do its work here.
testcontainers_config.ryuk_disabled = True


def missing() -> str | None:
    """Why there can be no containers; None when the engine answers and has both images."""
    try:
        client = docker.from_env()
    except docker.errors.DockerException as error:
        return f"no Docker engine answers: {error}"
    try:
        for image in (NATS_IMAGE, POSTGRES_IMAGE):
            client.images.get(image)
    except docker.errors.ImageNotFound:
        return f"the Docker engine has no image {image} yet"
    finally:
        client.close()
    return None


@dataclass
class InContainer(Server):
    """A server whose process is a container. Its port on 127.0.0.1 stays through restarts."""

    _container: DockerContainer | None = field(default=None, init=False, repr=False)

    def _prepared(self) -> DockerContainer:
        raise NotImplementedError

    def _file(self) -> tuple[str, bytes]:
        """The path and content of the one file that it is configured by."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it on what it holds and on the configuration of now, and wait until it answers."""
        path, content = self._file()
        if self._container is None:
            self._container = self._prepared().with_kwargs(labels={LABEL: "server"})
            self._container.with_copy_into_container(content, path).start()
        else:
            self._container.copy_into_container(content, path)
            self._wrapped.start()
        self._wait_until_ready(lambda: self._is_running, self._container.image)

    @property
    def _wrapped(self) -> Any:
        assert self._container is not None
        return self._container.get_wrapped_container()

    @property
    def _is_running(self) -> bool:
        self._wrapped.reload()
        return bool(self._wrapped.status == "running")

    @property
    def log_path(self) -> Path:
        """What the server said until now."""
        path = self.folder / "server.log"
        if self._container is not None:
            path.write_bytes(self._wrapped.logs())
        return path

    def stop(self) -> None:
        """End it in order; its data stays for `start`."""
        self.resume()
        self._wrapped.stop(timeout=10)

    def kill(self) -> None:
        """SIGKILL to every process in it; its data stays for `start`."""
        self.resume()
        if self._is_running:
            self._wrapped.kill()
            self._wrapped.wait(timeout=10)

    def pause(self) -> None:
        """Freeze it: connections stay, nothing answers."""
        self._wrapped.pause()

    def resume(self) -> None:
        """Let it go on."""
        self._wrapped.reload()
        if self._wrapped.status == "paused":
            self._wrapped.unpause()

    def close(self) -> None:
        """End it and remove its data."""
        if self._container is not None:
            self._container.stop()
            self._container = None
        self._forget()


def _publish(container: DockerContainer, inside: int, port: int) -> None:
    """Publish a port of the container on one of ours, on 127.0.0.1 only."""
    # An explicit one: the engine gives a container with a random one another at every start.
    container.ports[f"{inside}/tcp"] = ("127.0.0.1", port)  # type: ignore[assignment]  # the engine takes a pair


@dataclass
class NatsContainer(InContainer, NatsServer):
    """nats-server in a container, with the very configuration that `hypercare up` writes but for its places."""

    def _prepared(self) -> DockerContainer:
        container = DockerContainer(NATS_IMAGE, command="-c /hypercare/nats.conf", user="0")
        _publish(container, 4222, self.port)
        return container

    def _file(self) -> tuple[str, bytes]:
        prepare_nats(NatsSetup(self.folder, 4222, self.logins))
        written = json.loads((self.folder / "nats.conf").read_text(encoding="utf-8"))
        written["host"] = "0.0.0.0"
        written["jetstream"]["store_dir"] = "/hypercare/store"
        return "/hypercare/nats.conf", json.dumps(written).encode()


@dataclass
class PostgresContainer(InContainer, PostgresServer):
    """Postgres in a container, with the database and the roles of the embedded one."""

    port: int = field(init=False)
    ports: Ports = field(default_factory=Ports, init=False, repr=False)

    def __post_init__(self) -> None:
        self.port = self.ports.choose("postgres")

    def dsn_of(self, role: str, database: str = DATABASE) -> str:
        """A role's own."""
        return f"postgresql://{role}:{role}-password@127.0.0.1:{self.port}/{database}"

    def _prepared(self) -> DockerContainer:
        container = DockerContainer(
            POSTGRES_IMAGE,
            command="postgres -c fsync=off -c full_page_writes=off -c autovacuum=off",
            env={
                "POSTGRES_USER": SUPERUSER,
                "POSTGRES_PASSWORD": f"{SUPERUSER}-password",
                "POSTGRES_DB": DATABASE,
            },
        )
        _publish(container, 5432, self.port)
        return container

    def _file(self) -> tuple[str, bytes]:
        roles = "".join(
            f"CREATE ROLE {role} LOGIN PASSWORD '{role}-password';\n"
            f"GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {DATABASE} TO {role};\n"
            for role in self.roles
        )
        return "/docker-entrypoint-initdb.d/roles.sql", roles.encode()

    def _is_ready(self) -> bool:
        return lets_log_in(("127.0.0.1", self.port))
