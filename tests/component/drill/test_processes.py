"""The sinks and the ERP as the processes that `hypercare up` starts, and the commands that steer them."""

import json
import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from cli.drill.commands import DrillError, app, break_target, heal

STARTS_WITHIN_S = 30


@contextmanager
def process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Start a module of ours and wait for its first line, which says where it is."""
    with subprocess.Popen([sys.executable, "-m", *arguments], stdout=subprocess.PIPE, text=True) as started:
        try:
            assert started.stdout is not None
            yield started, json.loads(started.stdout.readline())
        finally:
            started.kill()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments], capture_output=True, text=True, timeout=STARTS_WITHIN_S, check=False
    )


def test_sinks_say_where_they_are_and_sigterm_stops_them(tmp_path: Path) -> None:
    with process("cli.drill.sinks", "--data", str(tmp_path)) as (sinks, ready):
        addresses = json.loads((tmp_path / "sinks.json").read_text())
        assert {"event": "sinks_ready", **addresses} == ready
        assert addresses["pid"] == sinks.pid
        with smtplib.SMTP("127.0.0.1", addresses["smtp_port"], timeout=5) as client:
            client.sendmail("a@example.org", ["b@example.org"], b"Subject: hello\r\n\r\nthere\r\n")
        received = httpx.get(f"{addresses['http_url']}/received.json", trust_env=False).json()
        assert [(m["to"], m["subject"]) for m in received] == [("b@example.org", "hello")]
        sinks.send_signal(signal.SIGTERM)
        assert sinks.wait(timeout=5) == 0


def test_messages_survive_a_kill_and_a_torn_last_line(tmp_path: Path) -> None:
    with process("cli.drill.sinks", "--data", str(tmp_path)) as (sinks, ready):
        httpx.post(ready["slack_url"], json={"text": "kept"}, trust_env=False)
        sinks.kill()
        sinks.wait(timeout=5)
    with (tmp_path / "received.jsonl").open("ab") as journal:
        journal.write(b'{"at": "2026-11-')
    with process("cli.drill.sinks", "--data", str(tmp_path)) as (_, again):
        httpx.post(again["slack_url"], json={"text": "new"}, trust_env=False)
        received = httpx.get(f"{again['http_url']}/received.json", trust_env=False).json()
    assert [m["text"] for m in received] == ["kept", "new"]


def test_second_sinks_on_one_folder_are_refused_in_one_line(tmp_path: Path) -> None:
    with process("cli.drill.sinks", "--data", str(tmp_path)):
        refused = run("cli.drill.sinks", "--data", str(tmp_path))
    assert refused.returncode == 1
    assert refused.stderr == f"drill sinks: {tmp_path} is in use by other drill sinks\n"


@pytest.mark.parametrize("program", ["sinks", "erp"])
def test_port_asked_for_that_is_taken_is_named_in_one_line(tmp_path: Path, program: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        if program == "sinks":
            refused = run("cli.drill.sinks", "--data", str(tmp_path), "--smtp-port", port)
        else:
            refused = run("examples.erp.app", "--port", port)
    assert refused.returncode == 1
    assert f"port {port}" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_erp_is_broken_and_healed_by_command_and_logs_each_change(tmp_path: Path) -> None:
    with process("examples.erp.app", "--port", "0") as (erp, ready):
        (tmp_path / "runtime.json").write_text(json.dumps({"addresses": {"example_admin_url": ready["admin_url"]}}))
        runner, data = CliRunner(), ["--data", str(tmp_path)]
        broken = runner.invoke(app, ["break", "refuse", *data, "--json"])
        assert (broken.exit_code, json.loads(broken.output)["mode"]) == (0, "refuse")
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{ready['url']}/health", trust_env=False)
        healed = runner.invoke(app, ["heal", *data])
        assert (healed.exit_code, healed.output) == (0, "The example is healthy again.\n")
        assert httpx.get(f"{ready['url']}/health", trust_env=False).status_code == 200
        assert break_target(ready["admin_url"], "slow", 200)["delay_ms"] == 200
        assert heal(ready["admin_url"])["mode"] == "healthy"
        erp.send_signal(signal.SIGTERM)
        assert erp.wait(timeout=5) == 0
        assert erp.stdout is not None
        changes = [json.loads(line) for line in erp.stdout]
    assert [c["mode"] for c in changes] == ["refuse", "healthy", "slow", "healthy"]
    assert {c["event"] for c in changes} == {"mode_changed"}


def test_sigterm_stops_the_erp_at_once_while_a_request_hangs() -> None:
    with process("examples.erp.app", "--port", "0") as (erp, ready):
        break_target(ready["admin_url"], "hang")
        host, port = ready["url"].removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as waiting:
            waiting.sendall(b"GET /health HTTP/1.1\r\nHost: erp\r\n\r\n")
            erp.send_signal(signal.SIGTERM)
            assert erp.wait(timeout=5) == 0


def test_command_tells_a_sink_to_misbehave(tmp_path: Path) -> None:
    with process("cli.drill.sinks", "--data", str(tmp_path)) as (_, ready):
        runner, where = CliRunner(), ["--sinks", ready["http_url"]]
        told = runner.invoke(app, ["behave", "smtp", "fail", "--times", "2", *where])
        assert (told.exit_code, told.output) == (0, "The smtp sink will fail 2 times.\n")
        now = httpx.get(f"{ready['http_url']}/behave", trust_env=False).json()
        assert (now["smtp"]["mode"], now["smtp"]["times"]) == ("fail", 2)
        assert runner.invoke(app, ["behave", "fax", "fail", *where]).exit_code == 1


def test_commands_say_what_is_missing(tmp_path: Path) -> None:
    runner = CliRunner()
    nowhere = runner.invoke(app, ["heal", "--data", str(tmp_path)])
    assert nowhere.exit_code == 3
    assert "is `hypercare up` running?" in nowhere.output
    (tmp_path / "runtime.json").write_text("{}")
    without = runner.invoke(app, ["heal", "--data", str(tmp_path)])
    assert "has no example_admin_url" in without.output
    assert runner.invoke(app, ["break", "moody", "--data", str(tmp_path)]).exit_code == 2
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(DrillError):
        heal(f"http://127.0.0.1:{port}")
