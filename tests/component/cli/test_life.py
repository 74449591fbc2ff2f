"""The life of `hypercare up`: its starts, its ends, and what it keeps between them."""

import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.component.cli.running import (
    DEMO,
    STARTS_WITHIN_S,
    Up,
    are_gone,
    ended_at_last,
    family,
    hypercare_as,
    python_of,
    start,
)
from tests.fakes.embedded import wait_until

Start = Callable[..., Up]
NOBODY = 65534


@pytest.fixture
def up(folder: Path) -> Iterator[Start]:
    """Start `hypercare up` on one data folder, one after the other, and wait until it watches."""
    with ExitStack() as stack:
        outputs = iter(range(100))

        def begin(*argv: str | Path, user: int | None = None) -> Up:
            one = start(folder / "data", folder / f"up-{next(outputs)}", *argv, user=user, env={"HOME": str(folder)})
            stack.enter_context(ended_at_last(one))
            one.wait_watching()
            return one

        yield begin


def assert_nothing_is_left(up: Up, pids: list[int]) -> None:
    assert are_gone(pids)
    assert not (up.data / "lock").exists()
    assert not (up.data / "runtime.json").exists()
    assert not list((up.data / "run").iterdir())


def moved_only_where_taken(up: Up, before: dict[str, str]) -> set[str]:
    """Addresses that are not as before; each must be because somebody took its port meanwhile, and be said.

    Other tests run beside this one, and want the usual ports too.
    """
    now, taken = up.runtime()["addresses"], re.findall(r"port (\d+) is taken", "\n".join(up.events()))
    moved = {name for name in before if before[name] != now[name]}
    assert all(any(f":{port}" in before[name] for port in taken) for name in moved), (moved, taken)
    return moved


def states(up: Up) -> list[str]:
    return [member["state"] for member in up.run("status", "--json").json()["members"]]


def open_incidents(up: Up) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = up.run("incident", "list", "--json").json()
    return found


def test_it_is_alone_on_its_folder_ends_by_ctrl_c_and_starts_again_as_it_was(up: Start, folder: Path) -> None:
    first = up("--example", "-f", DEMO)
    pids = family(first.process.pid)
    ports, token = first.runtime()["addresses"], first.token()
    changed = folder / "changed.yaml"
    text = DEMO.read_text().replace("include: [common.yaml]", f"include: [{folder.name}.yaml]")
    (folder / f"{folder.name}.yaml").write_text(DEMO.with_name("common.yaml").read_text())
    changed.write_text(text.replace("watch: 3s", "watch: 4s"))
    assert first.run("apply", changed, "--json").json()["revision"] == 2

    second = hypercare_as(["up", "--example", "--data", first.data])
    assert second.code == 2
    assert f"hypercare process {first.process.pid} works on it" in second.err
    assert first.run("status").code == 0

    assert first.stop(signal.SIGINT) == 0
    assert_nothing_is_left(first, pids)

    taken = int(ports["incidents_url"].rpartition(":")[2])
    with socket.socket() as held:
        held.bind(("127.0.0.1", taken))
        again = up("--example")
    assert again.run("status", "--json").json()["revision"] == 2
    assert again.token() == token
    assert "incidents_url" in moved_only_where_taken(again, ports)
    assert any(event.startswith(f"incidents: port {taken} is taken, using ") for event in again.events())
    pids = family(again.process.pid)
    assert again.stop(signal.SIGTERM) == 0
    assert_nothing_is_left(again, pids)


def test_after_a_kill_of_the_supervisor_the_next_start_carries_on(up: Start) -> None:
    first = up("--example", "-f", DEMO)
    addresses, token = first.runtime()["addresses"], first.token()
    assert first.run("drill", "break", "errors").code == 0
    wait_until(lambda: bool(open_incidents(first)), "an incident is open", STARTS_WITHIN_S)
    incident = open_incidents(first)[0]["id"]
    pids = family(first.process.pid)

    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait(10)
    second = up("--example")

    wait_until(lambda: are_gone(pids), "what the killed one had started is gone")
    assert "starting up" not in second.err
    moved_only_where_taken(second, addresses)
    assert second.token() == token
    assert incident in {one["id"] for one in open_incidents(second)}
    assert second.run("incident", "ack", incident, "--json").json()["acknowledged_by"] == "admin"
    assert second.stop() == 0


def test_a_killed_service_is_started_again(system: Up) -> None:
    old = system.pids()["prober-0"]
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: system.pids().get("prober-0", old) != old, "another prober runs")
    wait_until(lambda: system.run("status").code == 0, "it is ready again", STARTS_WITHIN_S)
    assert any(event.startswith("prober-0 was ended by SIGKILL; starting it again in ") for event in system.events())


def test_a_hung_service_is_killed_and_started_again(system: Up) -> None:
    old = system.pids()["evaluator-0"]
    os.kill(old, signal.SIGSTOP)
    wait_until(lambda: system.pids().get("evaluator-0", old) != old, "another evaluator runs", STARTS_WITHIN_S)
    wait_until(lambda: system.run("status").code == 0, "it is ready again", STARTS_WITHIN_S)
    assert "evaluator-0 hangs: it has not answered 3 times in a row: killed" in system.events()


def test_two_of_each_are_ready(up: Start) -> None:
    both = up("--example", "-f", DEMO, "--scale", "evaluator=2,prober=2,incidents=2,notifier=2")
    wait_until(lambda: states(both) == ["ready"] * 9, "all nine are ready", STARTS_WITHIN_S)
    pids = family(both.process.pid)
    assert both.stop() == 0
    assert_nothing_is_left(both, pids)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.skipif(not Path(python_of(NOBODY)[0]).is_file(), reason="no Python for other users here")
def test_an_ordinary_user_needs_nobody_else(up: Start, folder: Path) -> None:
    os.chown(folder, NOBODY, NOBODY)
    theirs = up("--example", "-f", DEMO, user=NOBODY)
    pids = family(theirs.process.pid)
    assert {Path(f"/proc/{pid}").stat().st_uid for pid in theirs.pids().values()} == {NOBODY}
    assert theirs.data.stat().st_mode & 0o777 == 0o700
    assert hypercare_as(["status", "--data", theirs.data], user=NOBODY).code == 0
    assert theirs.stop() == 0
    assert_nothing_is_left(theirs, pids)


def test_a_port_that_was_asked_for_and_is_taken_is_refused_before_anything_starts(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        said = hypercare_as(["up", "--example", "--port", f"console={port}", "--data", folder / "data"])
    assert said.code == 2
    assert f"port {port}, asked for console, is taken" in said.err
    assert not (folder / "data" / "nats").exists()


def test_a_configuration_with_mistakes_starts_nothing(folder: Path) -> None:
    (folder / "hypercare.yaml").write_text("version: 1\nprogrammes: x\n")
    said = hypercare_as(["up", "-f", folder / "hypercare.yaml", "--data", folder / "data"])
    assert said.code == 2
    assert 'hypercare.yaml:2:1: programmes: unknown field; did you mean "programme"?' in said.err
    assert not (folder / "data" / "nats").exists()
    assert not (folder / "data" / "lock").exists()
