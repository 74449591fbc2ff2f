"""The children's logs on our own output: for eyes on a terminal, for machines elsewhere."""

import json
from collections.abc import Callable
from typing import Final

from cli.runtime.loglines import Dialect, Level, LogLine, read_line

_COLOURS: Final = ("36", "33", "35", "32", "34", "96", "93", "95", "92", "94")
_LEVEL_COLOURS: Final[dict[Level, str]] = {"debug": "2", "info": "", "warning": "33", "error": "31;1"}
_RANK: Final[dict[Level, int]] = {"debug": 0, "info": 1, "warning": 2, "error": 3}
_QUIET: Final[frozenset[Dialect]] = frozenset({"nats", "postgres"})
"""Of these only warnings and errors are shown, unless everything is asked for: their chatter tells a user nothing."""
_EXPECTED: Final = ("Plaintext passwords detected",)
"""The bus's passwords lie in a file of mode 0600 in a folder that is private."""


class LogView:
    """Writes lines with the name of who said them.

    On a terminal `12:00:01 evaluator-1 | warning event key=value`, one colour a name; elsewhere one JSON object a
    line: a service's own as it wrote it, any other wrapped. `write` should flush: somebody is reading along.
    """

    def __init__(self, write: Callable[[str], object], *, is_terminal: bool, shows_all: bool = False) -> None:
        self._write = write
        self._is_terminal = is_terminal
        self._shows_all = shows_all
        self.is_hushed = False
        """On a terminal, while everything starts or stops: what services say at length is left out, not warnings."""
        self._width = 12
        self._colours: dict[str, str] = {}

    def show(self, name: str, dialect: Dialect, text: str) -> None:
        """Show one line a child wrote (without its line end)."""
        text = text.rstrip()
        line = read_line(dialect, text)
        if not line.event or any(known in text for known in _EXPECTED):
            return
        is_quiet = dialect in _QUIET or (self.is_hushed and self._is_terminal)
        if is_quiet and _RANK[line.level] < _RANK["warning"] and not self._shows_all:
            return
        if self._is_terminal:
            self._write_for_eyes(name, line)
        elif dialect == "json" and text.startswith("{"):
            self._write(f"{text}\n")
        else:
            self._write(json.dumps({"event": line.event, "level": line.level, "service": name}) + "\n")

    def say(self, text: str, level: Level = "info") -> None:
        """Show a line of the supervisor's own."""
        if self._is_terminal:
            self._write_for_eyes("hypercare", LogLine(text, level))
        else:
            self._write(json.dumps({"event": text, "level": level, "service": "supervisor"}) + "\n")

    def _write_for_eyes(self, name: str, line: LogLine) -> None:
        colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
        self._width = max(self._width, len(name))
        level = _paint(_LEVEL_COLOURS[line.level], f"{line.level} ") if line.level in {"warning", "error"} else ""
        fields = "".join(f" {_paint('2', f'{key}=')}{value}" for key, value in line.fields)
        head = f"{line.at or '        '} {_paint(colour, f'{name:<{self._width}} |')} "
        self._write(f"{head}{level}{line.event}{fields}\n")
        for trace in line.trace:
            self._write(f"{head}  {trace}\n")


def _paint(colour: str, text: str) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if colour else text
