"""Each mistake we know has a file and its expected words."""

from pathlib import Path

import pytest

from shared.config import ConfigErrors, load

FOLDER = Path(__file__).parent
MISTAKES = sorted(path.name.removesuffix(".bad.yaml") for path in FOLDER.glob("*.bad.yaml"))


def _errors(name: str, monkeypatch: pytest.MonkeyPatch) -> ConfigErrors:
    monkeypatch.chdir(FOLDER)
    with pytest.raises(ConfigErrors) as caught:
        load(Path(f"{name}.bad.yaml"), {})
    return caught.value


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_in_these_words_at_this_place(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = (FOLDER / f"{name}.expected.txt").read_text(encoding="utf-8")
    told = f"{_errors(name, monkeypatch)}\n"
    assert told == expected
    assert "hunter2" not in told, "that is the secret in these files"


def test_every_expectation_belongs_to_a_mistake() -> None:
    expected = sorted(path.name.removesuffix(".expected.txt") for path in FOLDER.glob("*.expected.txt"))
    assert expected == MISTAKES


def test_ten_mistakes_in_one_file_are_ten_errors_in_the_order_of_their_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = _errors("ten-mistakes", monkeypatch).errors
    assert len(errors) == 10
    places = [(error.line, error.column) for error in errors]
    assert places == sorted(places)
    assert len(set(places)) == 10
    assert {error.file for error in errors} == {"ten-mistakes.bad.yaml"}
