"""One container as Compose or Kubernetes would start it: what both have in common, so that one check reads both."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]
SERVICES = ("prober", "evaluator", "incidents", "notifier", "console")


@dataclass(frozen=True)
class Container:
    """env: what it is told. grace_s: how long it may take to stop."""

    name: str
    image: str
    env: dict[str, str]
    secrets: dict[str, str] = field(default_factory=dict)
    """A folder inside the container -> the consumer whose files `hypercare keys` makes for it."""
    grace_s: float = 0.0
    from_image: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What it has in all."""
        return self.from_image | self.env


def named(objects: list[Object], kind: str) -> dict[str, Object]:
    """The objects of a kind by name."""
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def pods(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """Every pod template with the name of what it belongs to."""
    for one in objects:
        if one["kind"] in {"Deployment", "StatefulSet", "Job"}:
            yield one["metadata"]["name"], one["spec"]["template"]["spec"]


def of_kubernetes(objects: list[Object]) -> dict[str, Container]:
    """Every container of a rendered overlay by its name."""
    maps = {name: one["data"] for name, one in named(objects, "ConfigMap").items()}
    found = {}
    for _, pod in pods(objects):
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for container in pod["containers"]:
            found[container["name"]] = Container(
                container["name"],
                container["image"],
                _environment(container, maps),
                _secrets(container, volumes),
                float(pod.get("terminationGracePeriodSeconds", 30)),
            )
    return found


def _environment(container: Object, maps: dict[str, Object]) -> dict[str, str]:
    env: dict[str, str] = {}
    for source in container.get("envFrom", []):
        env |= maps[source["configMapRef"]["name"]]
    return env | {one["name"]: _value(one, maps) for one in container.get("env", [])}


def _value(variable: Object, maps: dict[str, Object]) -> str:
    source = variable.get("valueFrom", {})
    if "configMapKeyRef" in source:
        return str(maps[source["configMapKeyRef"]["name"]][source["configMapKeyRef"]["key"]])
    return str(variable.get("value", "known to the cluster only"))


def _secrets(container: Object, volumes: dict[str, Object]) -> dict[str, str]:
    mounts = {mount["mountPath"]: volumes.get(mount["name"], {}) for mount in container["volumeMounts"]}
    return {path: volume["secret"]["secretName"] for path, volume in mounts.items() if "secret" in volume}
