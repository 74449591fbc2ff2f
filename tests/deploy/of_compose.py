"""docker-compose.yml as the same containers, with every variable at its default."""

import re
from pathlib import Path
from typing import Final

from ruamel.yaml import YAML

from tests.deploy.deployed import SERVICES, Container, Object

ROOT: Final = Path(__file__).parents[2]
_VARIABLE: Final = re.compile(r"\$\{\w+:-([^${}]*)\}")


def read_compose() -> Object:
    """The file, anchors and merges resolved."""
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    while (resolved := _VARIABLE.sub(r"\1", text)) != text:  # from the inside out: defaults hold variables too
        text = resolved
    found: Object = YAML(typ="safe").load(text)
    return found


def of_compose(document: Object) -> dict[str, Container]:
    """Every container by its name."""
    return {name: _container(name, service) for name, service in document["services"].items()}


def _container(name: str, service: Object) -> Container:
    image = service.get("image", "")
    env = {key: str(value) for key, value in service.get("environment", {}).items()}
    secrets = {}
    for volume in service.get("volumes", []):
        source, _, inside = volume.removesuffix(":ro").partition(":")
        if inside.startswith("/run/"):
            secrets[inside] = source.removeprefix("keys-")
    grace_s = float(service.get("stop_grace_period", "10s").removesuffix("s"))
    return Container(name, image, env, secrets, grace_s, image_environment() if name in SERVICES else {})


def image_environment() -> dict[str, str]:
    """What the Dockerfile tells every service."""
    text = (ROOT / "deploy/docker/Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    [line] = re.findall(r"^ENV (HYPERCARE_.*)$", text, re.MULTILINE)
    return dict(pair.split("=", 1) for pair in line.split())


def gateway_listens() -> dict[str, int]:
    """Where the gateway listens for each service, by the service's name."""
    text = (ROOT / "deploy/nginx/gateway.conf").read_text(encoding="utf-8")
    return {name: int(port) for port, name in re.findall(r"listen (\d+);\s+set \$service (\w+);", text)}


def gateway_ports() -> dict[str, set[int]]:
    """The ports of the services behind the gateway, by the service's name."""
    text = (ROOT / "deploy/nginx/gateway.conf").read_text(encoding="utf-8")
    found: dict[str, set[int]] = {}
    for block in text.split("server {")[1:]:
        for name in re.findall(r"set \$service (\w+);", block):
            found[name] = {int(port) for port in re.findall(r"proxy_pass http://\$service:(\d+)", block)}
    return found
