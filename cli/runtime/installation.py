"""One installation on one machine: its ports, its secrets, and how each of its processes is started."""

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cli.runtime.folder import DataFolder
from cli.runtime.nats import bus_logins
from cli.runtime.ports import Ports
from cli.runtime.postgres import SUPERUSER, PostgresSetup
from cli.runtime.secrets import Secrets
from cli.runtime.servers import nats_spec, postgres_spec, service_spec
from cli.runtime.supervisor import ProcessSpec
from cli.system import SCHEMAS
from shared.config.errors import shortened
from shared.contracts.permissions import BUS_USERS
from shared.kit.errors import Unusable
from shared.kit.settings import PREFIX, environment

ROOT: Final = Path(__file__).parent.parent.parent
"""The repository: services start there, so that no folder of the user's named `services` gets in their way."""
SERVICES: Final = ("notifier", "incidents", "evaluator", "prober", "console")
"""All are started together, in this order."""
USUAL_PORTS: Final = {"notifier": 8800, "console": 8801, "prober": 8802, "incidents": 8803}
MOST_REPLICAS: Final = 16
"""Of one service on one machine: more share its cores and help nobody, and a slip of a thousand would bring it down."""
HIGHEST_PORT: Final = 65535
CHECK_TOKENS: Final = ("incidents", "notifier", "console")
SHARED_WITH_CHILDREN: Final = (
    "PATH", "PYTHONPATH", "HOME", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "HYPERCARE_LOG_LEVEL",
)  # fmt: skip


@dataclass(frozen=True)
class Installation:
    """What is fixed before the first process starts."""

    folder: DataFolder
    ports: Ports
    secrets: Secrets
    postgres: PostgresSetup
    scale: Mapping[str, int]
    crash_files: Mapping[str, Path]
    """Service -> file of `shared.kit.crash_points`; empty in earnest."""
    extra_env: Mapping[str, str] = field(repr=False)
    """For services that resolve secrets: the example's own."""

    @property
    def nats_url(self) -> str:
        """Where the bus is."""
        return f"nats://127.0.0.1:{self.ports.chosen['nats']}"

    def url(self, service: str) -> str:
        """Where a service answers people."""
        return f"http://127.0.0.1:{self.ports.chosen[service]}"

    def replicas(self, service: str) -> list[str]:
        """The names of a service's processes."""
        return [f"{service}-{number}" for number in range(self.scale.get(service, 1))]


def choose_ports(ports: Ports, scale: Mapping[str, int], asked_for: Mapping[str, int]) -> None:
    """Choose every port of a run."""
    for name, usual in USUAL_PORTS.items():
        ports.choose(name, usual=usual, asked_for=asked_for.get(name), shared=True)
    ports.choose("nats", asked_for=asked_for.get("nats"))
    for service in SERVICES:
        for number in range(scale.get(service, 1)):
            ports.choose(f"{service}-{number}.ops")


def base_specs(home: Installation) -> list[ProcessSpec]:
    """The bus and the database. The admin's login comes first: it asks whether the bus is ready."""
    users = sorted(BUS_USERS, key=lambda user: user.name != "admin")
    logins = bus_logins(tuple(users), home.secrets.bus)
    return [nats_spec(home.folder, logins, home.ports.chosen["nats"]), postgres_spec(home.postgres)]


def service_specs(
    home: Installation, locations: tuple[str, ...], secrets: Mapping[str, Collection[str]]
) -> list[ProcessSpec]:
    """One process per replica. Replicas of a prober take the configuration's locations in turn.

    secrets: the variables that a service's part of the configuration names; it gets those and no other of ours.
    """
    specs = []
    for service in SERVICES:
        for number, instance in enumerate(home.replicas(service)):
            env = _service_env(home, service, instance, secrets.get(service, ()))
            if service == "prober":
                env["HYPERCARE_LOCATION"] = locations[number % len(locations)]
            argv = (sys.executable, "-m", f"services.{service}")
            specs.append(service_spec(home.folder, instance, argv, env, home.ports.chosen[f"{instance}.ops"], cwd=ROOT))
    return specs


def _is_setting(name: str) -> bool:
    """Whether a variable of ours is a service's setting (`HYPERCARE_CA_FILE`) and nobody's key or login.

    Those are the installation's own, and each service gets its own alone.
    """
    if not name.startswith(PREFIX):
        return False
    plain = name.removeprefix(PREFIX).removesuffix("_FILE")
    return not (plain.startswith("NATS_") or plain.endswith(("_KEY", "PASSWORD", "TOKEN", "DATABASE_URL")))


def _service_env(home: Installation, service: str, instance: str, secrets: Collection[str]) -> dict[str, str]:
    everything = {**environment(), **home.extra_env}
    env = {
        **{key: value for key, value in everything.items() if key in secrets},
        **{key: value for key, value in environment().items() if key in SHARED_WITH_CHILDREN or _is_setting(key)},
        "PYTHONUNBUFFERED": "1",
        "HYPERCARE_INSTANCE": instance,
        "HYPERCARE_NATS_URL": home.nats_url,
        "HYPERCARE_NATS_USER": service,
        "HYPERCARE_NATS_PASSWORD": home.secrets.bus[service],
        "HYPERCARE_OPS_PORT": str(home.ports.chosen[f"{instance}.ops"]),
        "HYPERCARE_DRAIN_S": "4",
    }
    if service in USUAL_PORTS:
        env["HYPERCARE_HTTP_PORT"] = str(home.ports.chosen[service])
        env["HYPERCARE_HTTP_SHARED_PORT"] = "true"
    if service in SCHEMAS:
        env["HYPERCARE_DATABASE_URL"] = home.postgres.dsn(service)
    if service in CHECK_TOKENS:
        env["HYPERCARE_TOKEN_KEY"] = home.secrets.token_key
    if service == "notifier":
        env["HYPERCARE_LINK_KEY"] = home.secrets.link_key
    if service == "prober":
        env["HYPERCARE_PING_KEY"] = home.secrets.ping_key
    if service == "console":
        env["HYPERCARE_INCIDENTS_URL"] = home.url("incidents")
        env["HYPERCARE_NOTIFIER_URL"] = home.url("notifier")
    if service in home.crash_files:
        env["HYPERCARE_CRASH_FILE"] = str(home.crash_files[service])
    return env


def parse_numbers(text: str | None, option: str, *, allowed: tuple[str, ...], most: int) -> dict[str, int]:
    """Read `evaluator=2,prober=2`, each from 1 to `most`. Raises Unusable naming the option and what is wrong."""
    found: dict[str, int] = {}
    for part in (text or "").split(","):
        if not part.strip():
            continue
        name, _, number = (word.strip() for word in part.partition("="))
        if not name or not number:
            raise Unusable(f"{option}: {part!r} must be NAME=NUMBER, like {allowed[0]}={most}")
        if name not in allowed:
            raise Unusable(f"{option}: there is no {name!r}; what can be named is {', '.join(allowed)}")
        # As text first: Python refuses to read numbers of thousands of digits.
        if not number.isdecimal() or len(number) > len(str(most)) or not 1 <= int(number) <= most:
            raise Unusable(f"{option}: {name} must be a whole number from 1 to {most} (got {shortened(number)})")
        found[name] = int(number)
    return found


def database_roles() -> tuple[str, ...]:
    """Who has a password in the database."""
    return (SUPERUSER, *SCHEMAS)


def bus_users() -> tuple[str, ...]:
    """Who has a password on the bus."""
    return tuple(user.name for user in BUS_USERS)
