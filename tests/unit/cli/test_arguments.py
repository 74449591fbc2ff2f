"""What a person types becomes part of an address only when it can be nothing else there."""

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from cli.system import step_of

ASKING = (
    ("incident", "show"),
    ("incident", "ack"),
    ("incident", "advance"),
    ("incident", "answer"),
    ("incident", "resolve"),
    ("page", "show"),
)
MORE = {"answer": ("0", "text"), "resolve": ("--summary", "mended")}


@pytest.mark.parametrize("word", ["", ".", "..", "../pages", "x/timeline", "x\n", "\udc80"])
@pytest.mark.parametrize("command", ASKING, ids=" ".join)
def test_a_word_that_would_ask_for_something_else_is_refused_with_code_2(command: tuple[str, ...], word: str) -> None:
    said = CliRunner().invoke(app, [*command, word, *MORE.get(command[1], ())], catch_exceptions=False)
    assert said.exit_code == 2
    what = "a page's id" if command[0] == "page" else "an incident's id or name"
    assert said.stderr == f"hypercare: {word!r} cannot be {what}\n"


def test_any_other_word_is_one_step_of_the_path() -> None:
    assert step_of("2026-02-20-erp-down", "a name") == "/2026-02-20-erp-down"
    assert step_of("what? 100% #1…", "a name") == "/what%3F%20100%25%20%231%E2%80%A6"
