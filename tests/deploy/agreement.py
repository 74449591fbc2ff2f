"""What has to be true of any deployment, as complaints in words: none means that it agrees with the code."""

import importlib
import re
from pathlib import Path

import pytest

from cli.keys import write_missing
from cli.system import SCHEMAS, System
from shared.kit.errors import Unusable
from shared.kit.settings import PREFIX, BusSettings, ServiceSettings, load_settings
from tests.deploy.deployed import SERVICES, Container, Object, named, pods

CLI = Path(__file__).parents[2] / "cli"
NAMED = re.compile(rf"{PREFIX}[A-Z_]+")
IN_A_CONTAINER = {"HYPERCARE_OPS_HOST": "0.0.0.0", "HYPERCARE_OPS_PORT": "9000"}
FOR_PEOPLE = {"HYPERCARE_HTTP_HOST": "0.0.0.0", "HYPERCARE_HTTP_PORT": "8080"}


def settings_of(service: str) -> type[ServiceSettings]:
    """The class that reads this service's environment."""
    found: type[ServiceSettings] = importlib.import_module(f"services.{service}.settings").Settings
    return found


def variables_of(kind: type[BusSettings]) -> set[str]:
    """Every variable these settings are read from."""
    names = {f"{PREFIX}{name.upper()}" for name in kind.model_fields}
    return names | {f"{name}_FILE" for name in names}


def variables_of_the_command_line() -> set[str]:
    """What `hypercare` reads: where the system is and how to get in, and whatever else its code names."""
    named_in_code = {name for path in CLI.rglob("*.py") for name in NAMED.findall(path.read_text(encoding="utf-8"))}
    plain = {f"{PREFIX}{name.upper()}" for name in (*System.__dataclass_fields__, *(f"{s}_password" for s in SCHEMAS))}
    return named_in_code | plain | {f"{name}_FILE" for name in named_in_code | plain}


def unknown_variables(container: Container) -> list[str]:
    """HYPERCARE_* that the code would never read: a misspelt one would be passed over without a word."""
    known = variables_of(settings_of(container.name)) if container.name in SERVICES else variables_of_the_command_line()
    given = {name for name in container.env if name.startswith(PREFIX)}
    return [f"{container.name}: nobody reads {name}" for name in sorted(given - known)]


def unusable_settings(container: Container, folder: Path) -> list[str]:
    """Load the service's settings from what it is given, its secrets made by `hypercare keys`."""
    write_missing(folder, "postgres:5432/hypercare")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in container.environment.items():
            patch.setenv(name, _on_this_machine(value, container, folder))
        try:
            settings = load_settings(settings_of(container.name))
        except Unusable as error:
            return [f"{container.name}: {error}"]
    return [] if settings.drain_s + 5 < container.grace_s else [f"{container.name}: killed before it has drained"]


def _on_this_machine(value: str, container: Container, folder: Path) -> str:
    for inside, consumer in container.secrets.items():
        if value.startswith(f"{inside}/"):
            return str(folder / consumer / value.removeprefix(f"{inside}/"))
    return value


def wrong_addresses(container: Container) -> list[str]:
    """Every service answers on the same two ports on every interface of its container."""
    is_for_people = "http_port" in settings_of(container.name).model_fields
    wanted = IN_A_CONTAINER | (FOR_PEOPLE if is_for_people else {})
    return [
        f"{container.name}: {name} must be {value} (got {container.environment.get(name)})"
        for name, value in wanted.items()
        if container.environment.get(name) != value
    ]


def wrong_ports(objects: list[Object]) -> list[str]:
    """Container ports, probes and Services against the ports the environment gives."""
    complaints = []
    for name, pod in pods(objects):
        for container in pod["containers"]:
            ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
            env = {one["name"]: one.get("value") for one in container.get("env", [])}
            for port, variable in (("http", "HYPERCARE_HTTP_PORT"), ("ops", "HYPERCARE_OPS_PORT")):
                if str(ports.get(port)) != str(env.get(variable)):
                    complaints.append(f"{name}: port {port} is {ports.get(port)}, {variable} is {env.get(variable)}")
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                asked = container.get(probe, {}).get("httpGet")
                if asked and asked["port"] not in ports:
                    complaints.append(f"{name}: {probe} asks {asked['port']}, which is no port of the container")
    return complaints + _lost_services(objects)


def _lost_services(objects: list[Object]) -> list[str]:
    complaints = []
    labelled = [
        (one["spec"]["template"]["metadata"]["labels"], one["spec"]["template"]["spec"]["containers"][0])
        for one in objects
        if one["kind"] in {"Deployment", "StatefulSet"}
    ]
    for name, service in named(objects, "Service").items():
        behind = [box for labels, box in labelled if service["spec"]["selector"].items() <= labels.items()]
        if len(behind) != 1:
            complaints.append(f"service {name}: {len(behind)} workloads behind it")
            continue
        ports = {port["name"]: port["containerPort"] for port in behind[0]["ports"]}
        complaints += [
            f"service {name}: port {port['port']} leads to {port['targetPort']}, which is not it"
            for port in service["spec"]["ports"]
            if ports.get(port["targetPort"]) != port["port"]
        ]
    return complaints
