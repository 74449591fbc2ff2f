"""Three real nats-servers on one machine, each on its own copy of `deploy/nats/`: what is tested is what is shipped."""

import atexit
import json
import os
import shutil
import signal
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Self

from cli.runtime.child import Launch
from cli.runtime.nats import find_nats_server
from cli.runtime.ports import Ports
from tests.fakes.embedded import Server, wait_until
from tests.fakes.keys import BUS_PASSWORDS

SHIPPED: Final = Path(__file__).parents[2] / "deploy" / "nats"
NAMES: Final = ("nats-0", "nats-1", "nats-2")
ROUTE_PASSWORD: Final = "7e5-what-nodes-know-each-other-by"
WHOLE_WITHIN_S: Final = 90.0
"""Generous: elections on two busy cores. Usually five seconds."""


class Place(NamedTuple):
    """The ports of one node."""

    bus: int
    route: int
    monitor: int


@dataclass
class Node(Server):
    """One server of the cluster. It keeps its name, store and ports through restarts."""

    name: str
    port: int
    monitor: int
    env: dict[str, str]

    def _launch(self) -> Launch:
        return Launch(argv=(str(find_nats_server()), "-c", str(self.folder / "cluster.conf")), env=self.env)

    @property
    def url(self) -> str:
        """Without user and password."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def is_alive(self) -> bool:
        """Whether its process runs."""
        return self._running() is not None

    def _is_ready(self) -> bool:
        """JetStream is up on it; whether the cluster has a leader is not this node's affair."""
        return self.says("/healthz?js-enabled-only=true") == {"status": "ok"}

    def is_whole(self) -> bool:
        """Whether everything on it is up to date with the others."""
        return self.says("/healthz") == {"status": "ok"}

    def says(self, path: str) -> object:
        """An answer of its monitoring port; None when there is none."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor}{path}", timeout=5) as answer:
                return json.load(answer)
        except (OSError, urllib.error.URLError, ValueError):
            return None

    def serves(self) -> list[str]:
        """The names of its clients."""
        found = self.says("/connz")
        clients = found.get("connections", []) if isinstance(found, dict) else []
        return sorted(client.get("name", "") for client in clients)

    def lame_duck(self) -> None:
        """Tell it to give its leaderships away, send its clients off and end, as an operator would."""
        running = self._running()
        assert running is not None
        running.send_signal(signal.SIGUSR2)

    def wait_for_end(self, limit_s: float = 60.0) -> None:
        """Wait until a lame duck has ended."""
        wait_until(lambda: not self.is_alive, f"{self.name} has ended", limit_s)


class Cluster:
    """All three. `with Cluster() as cluster:` starts them, and leaves nothing."""

    def __init__(self, certificates: Path | None = None) -> None:
        """`certificates`: a folder with ca.crt, tls.crt and tls.key; clients and nodes then speak TLS only."""
        self._certificates = certificates
        self.nodes: dict[str, Node] = {}
        self._ports = Ports()  # held while we live: a node that is down finds its ports again
        self.folder = Path(tempfile.mkdtemp(prefix="hc-cluster-", dir="/tmp"))
        atexit.register(self.close)
        places = {name: Place(*(self._ports.choose(f"{name}.{what}") for what in Place._fields)) for name in NAMES}
        routes = [f"nats-route://route:{ROUTE_PASSWORD}@127.0.0.1:{place.route}" for place in places.values()]
        self.nodes = {name: self._node(name, place, routes) for name, place in places.items()}

    def _node(self, name: str, place: Place, routes: list[str]) -> Node:
        folder = self.folder / name
        shutil.copytree(SHIPPED, folder)
        _settle(folder, place)
        if self._certificates:
            _secure(folder, self._certificates)
        env = {
            "PATH": os.defpath,
            "HYPERCARE_NATS_NAME": name,
            "HYPERCARE_NATS_TAG": f"zone:{name}",
            "HYPERCARE_NATS_STORE": "20GB",
            "HYPERCARE_NATS_ROUTE_PASSWORD": ROUTE_PASSWORD,
            "HYPERCARE_NATS_ROUTES": f"[{', '.join(routes)}]",
        }
        return Node(folder, name, place.bus, place.monitor, env)

    def __enter__(self) -> Self:
        try:
            for node in self.nodes.values():
                node.start()
            self.until_whole()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all and remove their data."""
        for node in self.nodes.values():
            node.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.close)

    def until_whole(self) -> None:
        """Wait until every node is up to date with the others."""
        wait_until(lambda: all(node.is_whole() for node in self.nodes.values()), "the cluster is whole", WHOLE_WITHIN_S)

    @property
    def url(self) -> str:
        """All addresses, as a service is given them."""
        return ",".join(self.urls)

    @property
    def urls(self) -> list[str]:
        """All addresses."""
        return [node.url for node in self.nodes.values()]


def _settle(folder: Path, place: Place) -> None:
    """Move a copy of the shipped configuration to ports and a folder of this machine, and give it passwords."""
    conf = (folder / "cluster.conf").read_text(encoding="utf-8")
    for shipped, here in {
        "port: 4222": f"listen: 127.0.0.1:{place.bus}",
        "port: 6222": f"listen: 127.0.0.1:{place.route}",
        "0.0.0.0:8222": f"127.0.0.1:{place.monitor}",
        '"/data"': f'"{folder}/store"',
    }.items():
        assert conf.count(shipped) == 1, shipped
        conf = conf.replace(shipped, here)
    (folder / "cluster.conf").write_text(conf, encoding="utf-8")
    lines = [f'HYPERCARE_BUS_{user.upper()}: "{password}"\n' for user, password in BUS_PASSWORDS.items()]
    (folder / "passwords.conf").write_text("".join(lines), encoding="utf-8")


def _secure(folder: Path, certificates: Path) -> None:
    """Put the shipped TLS settings in their place, as their comments say."""
    for name in ("tls.conf", "routes-tls.conf"):
        conf = (folder / "tls" / name).read_text(encoding="utf-8").replace("/run/tls", str(certificates))
        (folder / name).write_text(conf, encoding="utf-8")
