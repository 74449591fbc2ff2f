from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from shared.config import load

URL = "https://erp.example.org/health"


def test_a_configuration_can_be_written_to_standard_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    said = CliRunner().invoke(app, ["init", "-f", "-", URL])

    assert said.exit_code == 0
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "own.yaml").write_text(said.output)
    assert [check.http.url for check in load(tmp_path / "own.yaml", {}).checks.values() if check.http] == [URL]


def test_the_mail_server_is_the_drills_wherever_that_runs(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    CliRunner().invoke(app, ["init", "-f", str(file), URL])

    here, in_compose = (load(file, variables).channels.email[0].smtp for variables in ({}, {"SINK_HOST": "sinks"}))

    assert (here.host, here.port) == ("127.0.0.1", 2525)
    assert (in_compose.host, in_compose.port, in_compose.uses_starttls) == ("sinks", 2525, False)
    assert "which delivers to nobody" in file.read_text()


def test_where_nothing_can_be_written_it_says_so_in_one_line(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["init", "-f", str(tmp_path / "none" / "hypercare.yaml"), URL])

    assert said.exit_code == 2
    assert "No such file or directory; `--file -` writes to standard output" in said.output
    assert said.output.count("\n") == 1
