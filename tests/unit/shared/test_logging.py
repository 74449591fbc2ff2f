import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from shared.kit.logging import configure_logging, get_logger, log_beside_the_answer


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def _break() -> None:
    resolved = {"Authorization": "s3cret" + "-value"}
    raise RuntimeError(f"seeded, with {len(resolved)} secret in reach")


@pytest.mark.parametrize("fmt", ["json", "console"])
def test_a_traceback_in_the_log_never_shows_what_variables_held(fmt: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("test", "test-0", fmt=fmt)
    try:
        _break()
    except RuntimeError:
        get_logger().exception("it_broke")
    said = capsys.readouterr().err
    assert "seeded, with 1 secret in reach" in said
    assert "s3cret-value" not in said


def test_a_commands_logs_are_warnings_in_words_and_leave_its_answer_alone(capsys: pytest.CaptureFixture[str]) -> None:
    log_beside_the_answer()
    get_logger().info("config_taken")
    get_logger().warning("member_unreadable", entry="prober.x", token="hc_0123")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.split() == ["[warning", "]", "member_unreadable", "entry=prober.x", "token=***"]


@pytest.mark.parametrize("fmt", ["json", "console"])
def test_a_traceback_logged_by_a_library_names_the_lines_and_no_values(
    fmt: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("test", "test-0", fmt=fmt)
    try:
        _break()
    except RuntimeError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    said = capsys.readouterr().err
    assert "seeded, with 1 secret in reach" in said
    assert "_break" in said
    assert "s3cret-value" not in said


def test_a_library_s_traceback_in_json_is_one_line_with_frames(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("test", "test-0", fmt="json")
    try:
        _break()
    except RuntimeError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    line = json.loads(capsys.readouterr().err)
    assert "exc_info" not in line
    (raised,) = line["exception"]
    assert (raised["exc_type"], raised["frames"][-1]["name"]) == ("RuntimeError", "_break")
