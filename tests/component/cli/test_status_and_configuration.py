import asyncio
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import httpx
import psutil  # type: ignore[import-untyped]  # the package ships no types
import pytest

from cli.system import admin_bus, find_system
from shared.contracts.streams import MEMBERS
from tests.component.cli.running import DEMO, ROOT, Up, hypercare, hypercare_as
from tests.fakes.embedded import wait_until

SERVICES = ("console", "evaluator", "incidents", "notifier", "prober")
TEN = ROOT / "tests" / "contract" / "config" / "ten-mistakes.bad.yaml"


def changed(folder: Path, old: str, new: str) -> Path:
    """The demo's configuration with one thing changed."""
    shutil.copy(DEMO.with_name("common.yaml"), folder)
    text = (DEMO.read_text() + folder.joinpath("common.yaml").read_text()).replace("include: [common.yaml]\n", "")
    assert old in text
    path = folder / "changed.yaml"
    path.write_text(text.replace(old, new))
    return path


def revision_of(system: Up) -> int:
    return int(system.run("status", "--json").json()["revision"])


def all_are_ready(system: Up) -> bool:
    said = system.run("status", "--json")
    return said.code == 0 and {m["state"] for m in said.json()["members"]} == {"ready"}


def test_status_tells_scripts_what_runs_and_where(system: Up) -> None:
    said = system.run("status", "--json")

    assert said.code == 0
    found = said.json()
    assert [m["service"] for m in found["members"]] == list(SERVICES)
    pids = system.pids()
    assert all(m["state"] == "ready" and m["pid"] == str(pids[m["instance"]]) for m in found["members"])
    assert {m["revision"] for m in found["members"]} == {f"{found['revision']} taken"}
    assert found["pid"] == system.process.pid
    assert set(pids) == {"nats", "postgres", "erp", "sinks", *(f"{service}-0" for service in SERVICES)}
    assert Path(found["token_file"]).stat().st_mode & 0o777 == 0o600
    for name in ("console_url", "example_url", "inbox_url"):
        assert httpx.get(found["addresses"][name], trust_env=False).status_code < 500


def test_each_service_knows_the_secrets_it_uses_and_no_argument_holds_one(system: Up) -> None:
    environ = {name: psutil.Process(pid).environ() for name, pid in system.pids().items()}
    knows = {name for name, env in environ.items() if "TWILIO_TOKEN" in env}
    assert knows == {"notifier-0"}
    assert {name for name, env in environ.items() if "HYPERCARE_PING_KEY" in env} == {"prober-0"}
    secrets = {environ["notifier-0"][name] for name in ("TWILIO_TOKEN", "EVENTS_SECRET", "SLACK_WEBHOOK")}
    secrets |= {env["HYPERCARE_NATS_PASSWORD"] for env in environ.values() if "HYPERCARE_NATS_PASSWORD" in env}
    for name, pid in system.pids().items():
        words = " ".join(psutil.Process(pid).cmdline())
        assert not any(secret in words for secret in secrets), name


def test_status_shows_addresses_that_heartbeats_can_really_be_sent_to(system: Up) -> None:
    address = system.run("status", "--json").json()["heartbeats"]["nightly-backup"]

    assert httpx.get(address, trust_env=False).status_code == 200
    assert httpx.get(f"{address[:-4]}beef", trust_env=False).status_code == 404
    assert address in system.run("status").out


def test_what_the_kit_warns_of_leaves_the_json_alone(system: Up) -> None:
    async def put_beside_the_members(body: bytes) -> None:
        async with admin_bus(find_system(system.data)) as client:
            await client.publish(f"$KV.{MEMBERS.name}.prober.stranger", body)
            await client.flush()

    asyncio.run(put_beside_the_members(b"no heartbeat"))
    try:
        said = hypercare_as(["status", "--json", "--data", system.data])
    finally:
        asyncio.run(put_beside_the_members(b""))

    assert said.json()["revision"] >= 1
    assert "member_unreadable" in said.err


def test_an_installation_without_a_data_folder_is_found_by_the_environment(
    system: Up, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = json.loads((system.data / "secrets.json").read_text())
    (tmp_path / "ping_key").write_text(secrets["ping_key"])
    for name, value in {
        "NATS_URL": system.address("nats_url"),
        "NATS_USER": "admin",
        "NATS_PASSWORD": secrets["bus"]["admin"],
        "PING_KEY_FILE": str(tmp_path / "ping_key"),
        "PROBER_URL": system.address("prober_url"),
    }.items():
        monkeypatch.setenv(f"HYPERCARE_{name}", value)

    found = hypercare("status", "--json", "--data", tmp_path / "none").json()

    assert [m["state"] for m in found["members"]] == ["ready"] * len(SERVICES)
    assert found["heartbeats"] == system.run("status", "--json").json()["heartbeats"]


def test_status_is_a_screen_for_people(system: Up) -> None:
    said = system.run("status")

    assert said.code == 0
    assert "notifier-0   ready" in said.out
    assert system.address("console_url") in said.out
    assert system.token() not in said.out


def test_a_valid_configuration_is_counted(system: Up) -> None:
    del system
    assert "is valid: 3 services, 3 checks" in hypercare("validate", DEMO).out
    assert hypercare("validate", DEMO, "--json").json()["people"] == 3
    assert hypercare("validate", ROOT / "examples" / "sample.yaml").code == 0


def test_a_plan_shows_what_would_change_and_changes_nothing(system: Up, tmp_path: Path) -> None:
    before = revision_of(system)
    file = changed(tmp_path, "watch: 3s", "watch: 4s")

    said = system.run("plan", file)

    assert said.code == 0
    assert "workflow.resolution.watch" in said.out
    assert system.run("plan", file, "--json").json()["changes"] != []
    assert system.run("plan", DEMO).out.startswith("nothing would change")
    assert revision_of(system) == before


def test_an_applied_change_is_taken_by_every_service(system: Up, tmp_path: Path) -> None:
    before = revision_of(system)
    try:
        said = system.run("apply", changed(tmp_path, "watch: 3s", "watch: 5s"), "--json")

        assert said.code == 0
        assert said.json() == {
            "revision": before + 1,
            "is_new": True,
            "answers": {f"{service}/{service}-0": "taken" for service in SERVICES},
        }
    finally:
        assert system.run("apply", DEMO).code == 0
    assert "is already current" in system.run("apply", DEMO).out


def test_a_first_configuration_does_not_take_the_place_of_the_one_that_is_current(system: Up, tmp_path: Path) -> None:
    before = revision_of(system)

    said = system.run("apply", "--first", changed(tmp_path, "watch: 3s", "watch: 6s"))

    assert said.code == 0
    assert said.out.startswith(f"revision {before} is already current\n  left as it is")
    assert revision_of(system) == before


def test_ten_mistakes_are_ten_errors_and_the_running_system_stays_as_it_is(system: Up) -> None:
    before = revision_of(system)

    said = system.run("apply", TEN)
    as_json = system.run("apply", TEN, "--json")

    assert (said.code, as_json.code) == (2, 2)
    *errors, last = said.err.splitlines()
    assert len(errors) == len(as_json.json()["errors"]) == 10
    assert all(error.startswith(f"{TEN}:") and error.split(":")[1].isdecimal() for error in errors)
    assert last.endswith("nothing was changed")
    assert "10 mistakes" in last
    assert revision_of(system) == before
    assert all_are_ready(system)


def notifier_of(system: Up) -> dict[str, Any]:
    members = system.run("status", "--json").json()["members"]
    found: dict[str, Any] = next(m for m in members if m["service"] == "notifier")
    return found


def test_a_missing_secret_is_refused_by_who_needs_it_and_the_last_good_one_is_kept(system: Up, tmp_path: Path) -> None:
    good = revision_of(system)
    try:
        said = system.run("apply", changed(tmp_path, "env:TWILIO_TOKEN", "env:NOT_SET_HERE"))

        assert said.code == 1
        assert "notifier/notifier-0: refused, because" in said.out
        assert "env:NOT_SET_HERE" in said.out
        assert "prober/prober-0: taken" in said.out
        status = system.run("status")
        assert status.code == 1
        assert "notifier-0   refused" in status.out
        assert f"notifier-0: works by revision {good}; refused the newest, because" in status.out

        killed = system.pids()["notifier-0"]  # and a new one knows what the old one worked by
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: notifier_of(system).get("pid") not in {None, str(killed)}, "another notifier runs", 90)
        wait_until(lambda: notifier_of(system)["state"] == "refused", "it works by the last good one", 90)
        assert notifier_of(system)["works_by"] == good
    finally:
        assert system.run("apply", DEMO).code == 0
    wait_until(lambda: all_are_ready(system), "all are ready again")


def test_migrating_again_changes_nothing(system: Up) -> None:
    assert system.run("migrate").out == "everything is up to date\n"
    assert system.run("migrate", "--json").json() == []


@pytest.mark.parametrize("command", ["validate", "plan", "apply"])
def test_a_file_that_is_not_there_is_bad_input(system: Up, command: str) -> None:
    where = () if command == "validate" else ("--data", system.data)
    said = hypercare(command, "nowhere.yaml", *where)
    assert said.code == 2
    assert "nowhere.yaml" in said.err
