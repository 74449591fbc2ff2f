import json
import re

import pytest

from cli.runtime.loglines import LogLine, read_line
from cli.runtime.logview import LogView


def shown(name: str, dialect: str, text: str, *, is_terminal: bool) -> str:
    written: list[str] = []
    LogView(written.append, is_terminal=is_terminal).show(name, dialect, text)  # type: ignore[arg-type]  # a parameter
    return re.sub(r"\x1b\[[\d;]*m", "", "".join(written))


JSON_LINE = json.dumps(
    {
        "event": "probe_finished",
        "level": "info",
        "timestamp": "2026-02-20T12:34:56.789012Z",
        "service": "prober",
        "instance": "prober-1",
        "check_id": "web-health",
        "reason": "status was 503",
        "took_ms": 12.5,
    }
)


def test_a_services_line_reads_like_a_sentence_on_a_terminal() -> None:
    line = shown("prober-1", "json", JSON_LINE, is_terminal=True)
    assert line == '12:34:56 prober-1     | probe_finished check_id=web-health reason="status was 503" took_ms=12.5\n'


def test_a_services_line_stays_as_it_is_for_machines() -> None:
    assert shown("prober-1", "json", JSON_LINE, is_terminal=False) == JSON_LINE + "\n"


def test_other_writers_lines_are_wrapped_for_machines() -> None:
    line = shown("nats", "nats", "[12] 2026/11/24 09:41:02.53 [ERR] disk full", is_terminal=False)
    assert json.loads(line) == {"event": "disk full", "level": "error", "service": "nats"}


def test_a_warning_says_so() -> None:
    assert " | warning bus_error\n" in shown("a", "json", '{"event":"bus_error","level":"warning"}', is_terminal=True)


def test_a_traceback_is_shown_below_its_line() -> None:
    exception = [
        {
            "exc_type": "ValueError",
            "exc_value": "no",
            "frames": [{"filename": "handlers.py", "lineno": 7, "name": "take"}],
        }
    ]
    line = json.dumps({"event": "handler_failed", "level": "error", "exception": exception})
    written = shown("incidents", "json", line, is_terminal=True).splitlines()
    assert written[0].endswith("error handler_failed")
    assert written[1].endswith("handlers.py:7 in take")
    assert written[2].endswith("ValueError: no")


def test_the_chatter_of_the_stores_is_not_shown() -> None:
    assert not shown("nats", "nats", "[12] 2026/11/24 09:41:02.53 [INF] Server is ready", is_terminal=True)
    assert not shown("postgres", "postgres", "LOG:  database system is ready", is_terminal=True)


def test_what_a_starting_database_tells_the_impatient_is_no_error_and_real_trouble_is() -> None:
    assert not shown("postgres", "postgres", "FATAL:  the database system is starting up", is_terminal=True)
    assert "error could not write" in shown("postgres", "postgres", "FATAL:  could not write block", is_terminal=True)
    assert shown("erp", "plain", "the database system is starting up", is_terminal=True), "somebody else's words"


def test_a_service_that_writes_no_json_is_shown_as_it_writes() -> None:
    assert shown("erp", "json", "Traceback (most recent call last):", is_terminal=True).endswith("call last):\n")


@pytest.mark.parametrize("text", ["{", '{"no": "event"}', "[1]", '"text"', "{}"])
def test_what_only_looks_like_a_line_of_ours_is_taken_as_text(text: str) -> None:
    assert read_line("json", text) == LogLine(text)


def test_what_a_child_wrote_cannot_command_the_terminal() -> None:
    said = json.dumps({"event": "it\x1b[2Jbroke", "reason": "was \u202e305", "exception": "Error: \x9b2J"})
    line = shown("prober-1", "json", said, is_terminal=True)
    assert all(letter.isprintable() or letter == "\n" for letter in line)
    assert "it [2Jbroke" in line


def test_each_name_has_its_own_colour() -> None:
    written: list[str] = []
    view = LogView(written.append, is_terminal=True)
    for name in ("prober", "evaluator", "prober"):
        view.show(name, "plain", "hello")
    assert written[0] == written[2]
    assert written[0].replace("prober   ", "evaluator") != written[1]
