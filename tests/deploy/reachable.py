"""Whether doors lead somewhere: Ingress to Service, network policies to ports that pods have."""

from collections.abc import Iterator

from tests.deploy.deployed import Object, named


def wrong_doors(objects: list[Object]) -> list[str]:
    """Ports that an Ingress or a network policy names and nothing has, as complaints in words."""
    return [*_lost_ingresses(objects), *_lost_policies(objects)]


def _lost_ingresses(objects: list[Object]) -> Iterator[str]:
    services = {
        name: {port["name"] for port in service["spec"]["ports"]} for name, service in named(objects, "Service").items()
    }
    for name, ingress in named(objects, "Ingress").items():
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                behind = path["backend"]["service"]
                if behind["port"]["name"] not in services.get(behind["name"], ()):
                    yield f"ingress {name}: {path['path']} leads to {behind['name']}, port {behind['port']['name']}"


def _lost_policies(objects: list[Object]) -> Iterator[str]:
    for name, policy in named(objects, "NetworkPolicy").items():
        own = policy["spec"]["podSelector"]
        lonely = [one["spec"].get("replicas") for one in _behind(objects, own)] == [1]
        for rule, peers, pods in _rules(policy["spec"]):
            if lonely and peers == [{"podSelector": own}]:  # among the nodes of a bus that has but one here
                continue
            there = _ports_of(objects, pods)  # none: the pods are not in this overlay
            lost = [one["port"] for one in rule.get("ports", []) if there and one["port"] not in there]
            yield from (f"policy {name}: nothing listens on {port}" for port in lost)


def _rules(spec: Object) -> Iterator[tuple[Object, list[Object], Object]]:
    """Every rule with whom it is about and the pods whose ports it names; for what is outside nobody here can tell."""
    for rule in spec.get("ingress", []):
        yield rule, rule.get("from", []), spec["podSelector"]
    for rule in spec.get("egress", []):
        for to in rule.get("to", []):
            if "podSelector" in to and "namespaceSelector" not in to:
                yield rule, [to], to["podSelector"]


def _behind(objects: list[Object], selector: Object) -> list[Object]:
    wanted = selector.get("matchLabels", {}).items()
    workloads = [one for one in objects if one["kind"] in {"Deployment", "StatefulSet"}]
    return [one for one in workloads if wanted <= one["spec"]["template"]["metadata"]["labels"].items()]


def _ports_of(objects: list[Object], selector: Object) -> set[int | str]:
    """Every port, by number and by name, of the pods that a selector of labels finds."""
    boxes = [box for one in _behind(objects, selector) for box in one["spec"]["template"]["spec"]["containers"]]
    return {port[key] for box in boxes for port in box.get("ports", []) for key in ("containerPort", "name")}
