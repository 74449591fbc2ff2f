"""The Compose file gives each service what its settings ask for, and says the same as Kubernetes."""

from pathlib import Path

import pytest

from tests.deploy import agreement
from tests.deploy.deployed import SERVICES, Container, Object, of_kubernetes
from tests.deploy.of_compose import gateway_listens, gateway_ports, of_compose, read_compose

SAME_EVERYWHERE = ("HYPERCARE_NATS_USER", "HYPERCARE_LOCATION")

OF_TLS = ("HYPERCARE_NATS_CA_FILE", "HYPERCARE_NATS_CERT_FILE", "HYPERCARE_NATS_KEY_FILE")


@pytest.fixture
def compose() -> Object:
    return read_compose()


def ours(document: Object) -> list[Container]:
    return [one for one in of_compose(document).values() if one.image.startswith("hypercare/")]


def test_no_variable_is_given_that_nobody_reads(compose: Object) -> None:
    assert [complaint for one in ours(compose) for complaint in agreement.unknown_variables(one)] == []


def test_every_service_can_load_its_settings_and_has_time_to_drain(compose: Object, tmp_path: Path) -> None:
    boxes = of_compose(compose)
    assert [found for name in SERVICES for found in agreement.unusable_settings(boxes[name], tmp_path)] == []


def test_services_answer_where_the_gateway_asks(compose: Object) -> None:
    boxes = of_compose(compose)
    assert [found for name in SERVICES for found in agreement.wrong_addresses(boxes[name])] == []
    behind = gateway_ports()
    assert set(behind) == {"notifier", "console", "prober", "incidents"}
    assert {name: {int(boxes[name].environment["HYPERCARE_HTTP_PORT"])} for name in behind} == behind


def test_the_gateway_listens_where_its_ports_are_published_and_where_the_console_asks(compose: Object) -> None:
    listens = gateway_listens()
    published = [port.rpartition(":")[2] for port in compose["services"]["gateway"]["ports"]]
    assert published == [str(listens[name]) for name in ("notifier", "console", "prober", "incidents")]
    asked = compose["services"]["console"]["environment"]["HYPERCARE_INCIDENTS_URL"]
    assert asked == f"http://gateway:{listens['incidents']}"


def test_nothing_of_ours_runs_as_root_or_may_become_it(compose: Object) -> None:
    for name in SERVICES:
        service = compose["services"][name]
        assert service["user"] == "10001:10001", name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert {"memory", "cpus"} <= set(service["deploy"]["resources"]["limits"]), name


def test_compose_and_kubernetes_agree(compose: Object, objects: list[Object]) -> None:
    one_host, many = of_compose(compose), of_kubernetes(objects)
    for name in (*SERVICES, "migrate"):
        here, there = one_host[name], many[name]
        assert here.image == there.image
        assert here.secrets["/run/secrets"] == there.secrets["/run/secrets"] == name
        for variable in sorted(here.env.keys() | there.env.keys()):
            if variable in SAME_EVERYWHERE or (variable.endswith("_FILE") and variable not in OF_TLS):
                assert here.env.get(variable) == there.env.get(variable), f"{name}: {variable}"
    for name in {"nats", "postgres"} & many.keys():
        assert one_host[name].image == many[name].image


def test_a_misspelt_variable_is_found(compose: Object, tmp_path: Path) -> None:
    given = compose["services"]["prober"]["environment"]
    given["HYPERCARE_PINGKEY_FILE"] = given.pop("HYPERCARE_PING_KEY_FILE")
    prober = of_compose(compose)["prober"]
    assert agreement.unknown_variables(prober) == ["prober: nobody reads HYPERCARE_PINGKEY_FILE"]
    [complaint] = agreement.unusable_settings(prober, tmp_path)
    assert "HYPERCARE_PING_KEY: Field required" in complaint


def test_a_wrong_port_is_found(compose: Object) -> None:
    compose["services"]["console"]["environment"]["HYPERCARE_HTTP_PORT"] = "8081"
    console = of_compose(compose)["console"]
    assert agreement.wrong_addresses(console) == ["console: HYPERCARE_HTTP_PORT must be 8080 (got 8081)"]
