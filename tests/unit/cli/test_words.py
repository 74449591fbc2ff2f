import json
from pathlib import Path

import pytest
from typer import Exit, style
from typer.testing import CliRunner

from cli.__main__ import app
from cli.configuration import load_or_leave
from cli.runtime import example, installation
from cli.runtime.installation import parse_numbers
from cli.runtime.welcome import Command, Screen, welcome
from cli.system import clock_of, fail, hanging, harmless, show, table
from shared.kit.errors import Unusable

ROOT = Path(__file__).parents[3]
LOGIN = "http://127.0.0.1:28801/#token=hc_0123456789012345678901234567890123456789abc"
ADDRESSES = {
    "inbox_url": "http://127.0.0.1:28025/",
    "example_url": "http://127.0.0.1:23001",
    "incidents_url": "http://127.0.0.1:28803",
}


@pytest.mark.parametrize("with_example", [True, False])
@pytest.mark.parametrize("file", ["erp/hypercare.yaml", "erp/demo.yaml", "sample.yaml"])
def test_the_welcome_fits_a_small_terminal(file: str, with_example: bool) -> None:  # noqa: FBT001  # a parameter
    document = load_or_leave(ROOT / "examples" / file)
    text = welcome(Screen(document, ADDRESSES, Command(".venv/bin/hypercare"), LOGIN, with_example))

    assert len(text.splitlines()) <= 24
    assert max(map(len, text.splitlines())) <= 80
    assert LOGIN in text.split()
    assert "watching" in text.splitlines()[-1]


def test_the_readme_shows_the_screenful_that_is_printed() -> None:
    usual = {**installation.USUAL_PORTS, **example.USUAL_PORTS}
    url = {name: f"http://127.0.0.1:{port}" for name, port in usual.items()}
    addresses = {"inbox_url": f"{url['sinks']}/", "example_url": url["erp"], "incidents_url": url["incidents"]}
    token = f"hc_{'x' * 43}"
    login = f"{url['console']}/#token={token}"
    document = load_or_leave(example.CONFIGURATION)
    text = welcome(Screen(document, addresses, Command(".venv/bin/hypercare"), login, with_example=True))

    shown = text.strip("\n").replace(token, "hc_…")
    assert f"\n```\n{shown}\n```\n" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_welcome_tells_commands_that_find_their_folder() -> None:
    document = load_or_leave(ROOT / "examples" / "erp" / "demo.yaml")
    command = Command("uv run hypercare", " --data /srv/hypercare")
    text = welcome(Screen(document, ADDRESSES, command, LOGIN, with_example=True))
    assert "  uv run hypercare drill break errors --data /srv/hypercare\n" in text


def test_a_table_is_as_wide_as_its_cells() -> None:
    assert table(("A", "B"), [("long one", "x"), ("y", "z")]) == "A         B\nlong one  x\ny         z"


WRITTEN_BY_OTHERS = "a\u202eb\x1b[2J\x9b1mc\rd\x00"


def test_what_others_wrote_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show({}, as_json=False, text=lambda: f"{WRITTEN_BY_OTHERS}\n\tبه\u200cروز")
    assert capsys.readouterr().out == "a b [2J 1mc d \n\tبه\u200cروز\n"

    with pytest.raises(Exit):
        fail(WRITTEN_BY_OTHERS, 1)
    assert capsys.readouterr().err == "hypercare: a b [2J 1mc d \n"


def test_of_what_a_terminal_obeys_only_our_own_red_stays() -> None:
    assert harmless(style("no runbook\x1b[2J", fg="red")) == style("no runbook [2J", fg="red")


def test_json_says_the_same_and_commands_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show({"summary": WRITTEN_BY_OTHERS}, as_json=True, text=str)
    said = capsys.readouterr().out
    assert json.loads(said) == {"summary": WRITTEN_BY_OTHERS}
    assert all(letter.isprintable() or letter == "\n" for letter in said)


def test_an_instant_is_shown_to_the_second() -> None:
    assert clock_of("2026-02-20T12:34:56.789012Z") == "2026-02-20 12:34:56Z"
    assert clock_of("2026-02-20T12:34:56+00:00") == "2026-02-20 12:34:56Z"


def test_numbers_by_name_are_read() -> None:
    services = ("evaluator", "prober")
    assert parse_numbers("evaluator=2, prober=16", "--scale", allowed=services, most=16) == {
        "evaluator": 2,
        "prober": 16,
    }
    assert parse_numbers(None, "--scale", allowed=services, most=16) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("evaluator", "--scale: 'evaluator' must be NAME=NUMBER"),
        ("=2", "--scale: '=2' must be NAME=NUMBER"),
        ("evaluator=none", "--scale: evaluator must be a whole number from 1 to 16 (got none)"),
        ("evaluator=0", "--scale: evaluator must be a whole number from 1 to 16 (got 0)"),
        ("evaluator=-1", "--scale: evaluator must be a whole number from 1 to 16 (got -1)"),
        ("evaluator=17", "--scale: evaluator must be a whole number from 1 to 16 (got 17)"),
        ("evaluator=1000", "--scale: evaluator must be a whole number from 1 to 16 (got 1000)"),
        (f"evaluator={'9' * 5000}", "--scale: evaluator must be a whole number from 1 to 16 (got 9999"),
        ("teapot=1", "there is no 'teapot'; what can be named is evaluator"),
    ],
)
def test_numbers_that_make_no_sense_are_refused_by_name(text: str, words: str) -> None:
    with pytest.raises(Unusable) as caught:
        parse_numbers(text, "--scale", allowed=("evaluator",), most=16)
    assert words in str(caught.value)


@pytest.mark.parametrize("command", [("up", "--example"), ("demo", "--once")], ids=" ".join)
@pytest.mark.parametrize("scale", ["evaluator=1000", "evaluator=0", "teapot=1"])
def test_a_wrong_scale_ends_with_code_2_before_anything_starts(
    command: tuple[str, ...], scale: str, tmp_path: Path
) -> None:
    said = CliRunner().invoke(app, [*command, "--scale", scale, "--data", str(tmp_path / "data")])
    assert said.exit_code == 2
    assert "hypercare: --scale: " in said.stderr
    assert not (tmp_path / "data").exists()


def test_no_further_line_of_a_note_looks_like_one_of_ours() -> None:
    assert hanging("seen\r\n  12:00:00  note  forged", 4) == "seen\n    |   12:00:00  note  forged"
