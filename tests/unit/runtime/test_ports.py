import socket
import sys
from collections.abc import Iterator

import pytest

from cli.runtime import ports
from cli.runtime.ports import RANGE, Ports, is_free
from shared.kit.errors import Unusable
from shared.kit.http import bind


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock.getsockname()[1]


def test_a_free_usual_port_is_used() -> None:
    free = Ports().choose("probe")
    assert Ports().choose("console", usual=free) == free


def test_the_port_of_the_last_run_goes_before_the_usual_one() -> None:
    other = Ports()
    kept = Ports().choose("console")
    assert Ports({"console": kept}).choose("console", usual=other.choose("other")) == kept


def test_a_taken_port_is_replaced_by_a_free_one_and_that_is_said(taken: int) -> None:
    ports = Ports()
    port = ports.choose("console", usual=taken)
    assert port != taken
    assert port in RANGE
    assert ports.remarks == [f"console: port {taken} is taken, using {port} instead"]


def test_a_taken_port_that_was_asked_for_is_an_error_that_names_it(taken: int) -> None:
    with pytest.raises(Unusable, match=f"port {taken}, asked for console, is taken"):
        Ports().choose("console", asked_for=taken)


def test_two_names_never_get_the_same_port() -> None:
    ports = Ports()
    one = ports.choose("one")
    assert ports.choose("two", usual=one) != one


def test_nothing_is_remarked_when_nobody_expected_a_port() -> None:
    ports = Ports()
    ports.choose("ops")
    assert ports.remarks == []


def test_a_shared_port_is_taken_for_others_from_the_moment_it_is_chosen() -> None:
    ours = Ports()
    port = ours.choose("console", shared=True)
    assert Ports().choose("console", usual=port) != port

    replicas = [bind("127.0.0.1", port, shared=True) for _ in range(2)]

    assert Ports().choose("console", usual=port) != port
    for one in replicas:
        one.close()
    assert Ports({"console": port}).choose("console") != port
    del ours
    assert Ports({"console": port}).choose("console", shared=True) == port


@pytest.mark.skipif(sys.platform != "linux", reason="there are no reservations elsewhere")
def test_of_two_who_start_at_once_only_one_gets_a_port_that_is_still_free() -> None:
    first, second = Ports(), Ports()
    port = first.choose("console")
    assert second.choose("console", usual=port) != port
    assert second.remarks == [f"console: port {port} is taken, using {second.chosen['console']} instead"]
    del first
    assert Ports().choose("console", usual=port) == port


@pytest.mark.skipif(sys.platform != "linux", reason="reservations are seen by others on Linux only")
def test_a_port_that_somebody_has_chosen_is_not_even_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """To try is to bind, if only for a moment: just then its owner may want to hold it for replicas that share it."""
    one = Ports()
    port = one.choose("nats")
    tried: list[int] = []

    def note(wanted: int, host: str) -> bool:
        tried.append(wanted)
        return is_free(wanted, host)

    monkeypatch.setattr(ports, "is_free", note)
    assert Ports(remembered={"nats": port}).choose("nats") != port
    assert tried
    assert port not in tried
