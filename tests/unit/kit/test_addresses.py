import pytest

from shared.kit.addresses import url_for_others


def test_an_address_that_was_given_is_said_as_it_is() -> None:
    assert url_for_others("10.1.2.3", 9000, "nats://127.0.0.1:4222") == "http://10.1.2.3:9000"
    assert url_for_others("fd00::7", 9000, "nats://127.0.0.1:4222") == "http://[fd00::7]:9000"


@pytest.mark.parametrize("bus_url", ["nats://127.0.0.1:4222", "127.0.0.1", "tls://127.0.0.1"])
def test_a_service_on_every_interface_says_its_address_on_the_way_to_the_bus(bus_url: str) -> None:
    assert url_for_others("0.0.0.0", 9000, bus_url) == "http://127.0.0.1:9000"


def test_where_the_bus_cannot_be_looked_up_our_own_name_has_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "prober-7")

    assert url_for_others("0.0.0.0", 9000, "nats://no-such-host.invalid:4222") == "http://prober-7:9000"
