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


def test_where_nothing_can_be_written_it_says_so_in_one_line(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["init", "-f", str(tmp_path / "none" / "hypercare.yaml"), URL])

    assert said.exit_code == 2
    assert "No such file or directory; `--file -` writes to standard output" in said.output
    assert said.output.count("\n") == 1
