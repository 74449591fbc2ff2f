import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.component.cli.running import Up, hypercare, hypercare_as, python_of
from tests.fakes.ports import closed_port

ASKING = (
    ("status",),
    ("plan", "examples/erp/demo.yaml"),
    ("apply", "examples/erp/demo.yaml"),
    ("migrate",),
    ("incident", "list"),
    ("incident", "show", "x"),
    ("incident", "ack", "x"),
    ("incident", "advance", "x"),
    ("incident", "answer", "x", "0", "y"),
    ("incident", "resolve", "x", "--summary", "y"),
    ("page", "list"),
    ("page", "show", "x"),
    ("dead", "list"),
    ("dead", "show", "1"),
    ("dead", "replay", "1"),
    ("token", "create", "--name", "ana"),
    ("drill", "break", "slow"),
    ("drill", "heal"),
)
NOBODY = 65534


@pytest.mark.parametrize("command", ASKING, ids=" ".join)
def test_where_nothing_runs_every_command_says_so_with_code_3(command: tuple[str, ...], tmp_path: Path) -> None:
    said = hypercare(*command, "--data", tmp_path)
    assert said.code == 3
    assert "hypercare up" in said.err
    assert said.out == ""


@pytest.fixture
def silent_port() -> Iterator[int]:
    with closed_port() as port:
        yield port


@pytest.mark.parametrize("command", [c for c in ASKING if c[0] not in {"migrate", "drill"}], ids=" ".join)
def test_where_nobody_answers_every_command_says_so_with_code_3(
    command: tuple[str, ...], silent_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, scheme in (("NATS", "nats"), ("INCIDENTS", "http"), ("NOTIFIER", "http")):
        monkeypatch.setenv(f"HYPERCARE_{name}_URL", f"{scheme}://127.0.0.1:{silent_port}")
    said = hypercare(*command, "--data", tmp_path)
    assert said.code == 3
    assert f"127.0.0.1:{silent_port} does not answer" in said.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.skipif(not Path(python_of(NOBODY)[0]).is_file(), reason="no Python for other users here")
@pytest.mark.parametrize("command", [("status",), ("incident", "list"), ("up", "--example")], ids=" ".join)
def test_a_data_folder_of_somebody_else_is_refused_by_name(system: Up, command: tuple[str, ...]) -> None:
    said = hypercare_as([*command, "--data", system.data], user=NOBODY)
    assert said.code == (2 if command[0] == "up" else 3)
    assert str(system.data) in said.err
    assert "Traceback" not in said.err


WRONG = (
    ("incident", "list", "--state", "weird"),
    ("drill", "break", "moody"),
    ("token", "create", "--name", "ana", "--role", "boss"),
    ("token", "create", "--name", "two words"),
    ("nonsense",),
    ("demo", "--kill", "console"),
    ("init", "ftp://example.org"),
    ("init", "https://user:password@example.org/"),
    ("init", "http://example.org:99999/"),
    ("up", "--scale", "evaluator=none"),
    ("up", "--scale", "teapot=2"),
    ("up", "--port", "console"),
    ("up", "-f", "nowhere.yaml"),
    ("up",),
)


@pytest.mark.parametrize("command", WRONG, ids=" ".join)
def test_wrong_input_has_code_2(
    system: Up, command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = system.run(*command) if command[0] in {"incident", "drill", "token"} else hypercare(*command)
    assert said.code == 2, said
    assert said.err != ""
    assert not (tmp_path / ".hypercare").exists()


def test_a_token_that_is_not_known_is_refused_with_code_1(system: Up, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERCARE_TOKEN", "hc_made-up")
    said = system.run("incident", "list")
    assert (said.code, said.err) == (1, "hypercare: this token is not known\n")


def test_a_secret_file_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERCARE_TOKEN_FILE", str(tmp_path / "none"))
    said = hypercare("incident", "list", "--data", tmp_path)
    assert said.code == 2
    assert "HYPERCARE_TOKEN_FILE: cannot read" in said.err


@pytest.mark.parametrize("option", ["--webhook-secret", "--smtp-login"])
def test_a_secret_as_an_argument_is_refused_and_not_repeated(option: str, tmp_path: Path) -> None:
    said = hypercare("drill", "sinks", "--data", tmp_path, option, "hunter2:hunter2")
    assert said.code == 2
    assert "a secret must be written as env:NAME or file:/path" in said.err
    assert "hunter2" not in said.err
