"""Every overlay renders, is valid Kubernetes, and gives each service what its settings ask for."""

import importlib
from pathlib import Path

import pytest

from tests.deploy import agreement
from tests.deploy.deployed import SERVICES, Object, named, of_kubernetes, pods
from tests.deploy.reachable import wrong_doors

KUBERNETES = "1.34"
CUSTOM = frozenset({"ScaledObject"})  # KEDA's; its schema is not among Kubernetes' own


def test_every_object_is_valid_kubernetes(objects: list[Object]) -> None:
    if importlib.util.find_spec("kubernetes_validate") is None:
        pytest.skip("kubernetes-validate is not installed: `make test` and `make render` install it")
    validate = importlib.import_module("kubernetes_validate").validate
    for one in objects:
        if one["kind"] not in CUSTOM:
            validate(one, KUBERNETES, strict=True)


def test_every_service_is_there_with_all_that_belongs_to_it(objects: list[Object]) -> None:
    for kind in ("Deployment", "Service", "ServiceAccount", "PodDisruptionBudget"):
        assert set(SERVICES) <= set(named(objects, kind)), kind


def test_no_variable_is_given_that_nobody_reads(objects: list[Object]) -> None:
    ours = [one for one in of_kubernetes(objects).values() if one.image.startswith("hypercare/")]
    assert [complaint for one in ours for complaint in agreement.unknown_variables(one)] == []


def test_every_service_can_load_its_settings_and_has_time_to_drain(objects: list[Object], tmp_path: Path) -> None:
    boxes = of_kubernetes(objects)
    assert [found for name in SERVICES for found in agreement.unusable_settings(boxes[name], tmp_path)] == []


def test_ports_probes_and_services_agree(objects: list[Object]) -> None:
    boxes = of_kubernetes(objects)
    assert agreement.wrong_ports(objects) == []
    assert [found for name in SERVICES for found in agreement.wrong_addresses(boxes[name])] == []
    for name, pod in pods(objects):
        if name in SERVICES:
            probes = {kind: pod["containers"][0][kind]["httpGet"] for kind in ("livenessProbe", "readinessProbe")}
            assert probes["livenessProbe"] == {"path": "/livez", "port": "ops"}
            assert probes["readinessProbe"] == {"path": "/readyz", "port": "ops"}


def test_every_door_leads_to_a_port_that_is_there(objects: list[Object]) -> None:
    assert wrong_doors(objects) == []


def test_a_door_to_a_port_that_is_not_there_is_found(objects: list[Object]) -> None:
    for ingress in named(objects, "Ingress").values():
        ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"]["name"] = "htp"
    for policy in named(objects, "NetworkPolicy").values():
        for rule in (*policy["spec"].get("ingress", []), *policy["spec"].get("egress", [])):
            for one in rule.get("ports", []):
                one["port"] = 8081
    complaints = wrong_doors(objects)
    assert len(named(objects, "Ingress")) == sum(one.startswith("ingress") for one in complaints)
    assert any("8081" in one for one in complaints) == bool(named(objects, "NetworkPolicy"))


def test_the_migration_is_named_after_its_version(objects: list[Object]) -> None:
    [(name, job)] = named(objects, "Job").items()
    [box] = job["spec"]["template"]["spec"]["containers"]
    assert name == f"migrate-{box['image'].rpartition(':')[2]}"


def test_every_file_a_container_is_told_of_is_in_a_volume_it_has(objects: list[Object]) -> None:
    for box in of_kubernetes(objects).values():
        paths = [value for name, value in box.env.items() if name.endswith("_FILE")]
        assert [path for path in paths if path.rpartition("/")[0] not in box.secrets] == [], box.name


def test_nothing_runs_as_root_or_may_become_it(objects: list[Object]) -> None:
    for name, pod in pods(objects):
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for box in pod["containers"]:
            context = box["securityContext"]
            assert context["readOnlyRootFilesystem"] is True, name
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert set(box["resources"]["requests"]) == set(box["resources"]["limits"]) == {"cpu", "memory"}, name


def test_a_service_whose_replicas_are_scaled_for_it_names_no_number(objects: list[Object]) -> None:
    targets = {
        one["spec"]["scaleTargetRef"]["name"]
        for one in objects
        if one["kind"] in {"HorizontalPodAutoscaler", "ScaledObject"}
    }
    deployments = named(objects, "Deployment")
    assert targets <= set(deployments)
    assert [name for name in targets if "replicas" in deployments[name]["spec"]] == []


@pytest.mark.parametrize(("port", "variable"), [("http", "HYPERCARE_HTTP_PORT"), ("ops", "HYPERCARE_OPS_PORT")])
def test_a_wrong_port_is_found(objects: list[Object], port: str, variable: str) -> None:
    box = named(objects, "Deployment")["notifier"]["spec"]["template"]["spec"]["containers"][0]
    next(one for one in box["ports"] if one["name"] == port)["containerPort"] = 8081
    assert any(variable in complaint for complaint in agreement.wrong_ports(objects))


def test_a_service_that_leads_elsewhere_is_found(objects: list[Object]) -> None:
    named(objects, "Service")["console"]["spec"]["ports"][0]["targetPort"] = "ops"
    assert agreement.wrong_ports(objects) == ["service console: port 8080 leads to ops, which is not it"]


def test_a_misspelt_variable_is_found(objects: list[Object], tmp_path: Path) -> None:
    box = named(objects, "Deployment")["notifier"]["spec"]["template"]["spec"]["containers"][0]
    next(one for one in box["env"] if one["name"] == "HYPERCARE_LINK_KEY_FILE")["name"] = "HYPERCARE_LINKKEY_FILE"
    notifier = of_kubernetes(objects)["notifier"]
    assert agreement.unknown_variables(notifier) == ["notifier: nobody reads HYPERCARE_LINKKEY_FILE"]
    [complaint] = agreement.unusable_settings(notifier, tmp_path)
    assert "HYPERCARE_LINK_KEY: Field required" in complaint


def test_a_secret_nobody_makes_is_found(objects: list[Object], tmp_path: Path) -> None:
    box = named(objects, "Deployment")["prober"]["spec"]["template"]["spec"]["containers"][0]
    next(one for one in box["env"] if one["name"] == "HYPERCARE_PING_KEY_FILE")["value"] = "/run/secrets/pingkey"
    [complaint] = agreement.unusable_settings(of_kubernetes(objects)["prober"], tmp_path)
    assert "HYPERCARE_PING_KEY_FILE: cannot read" in complaint
