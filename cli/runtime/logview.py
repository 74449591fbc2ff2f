"""The children's logs on our own output: for eyes on a terminal, for machines elsewhere."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Final

from cli.runtime.loglines import Dialect, Level, LogLine, read_line
from shared.plain_text import COMMANDS

_COLOURS: Final = ("36", "33", "35", "32", "34", "96", "93", "95", "92", "94")
_LEVEL_COLOURS: Final[dict[Level, str]] = {"debug": "2", "info": "", "warning": "33", "error": "31;1"}
_RANK: Final[dict[Level, int]] = {"debug": 0, "info": 1, "warning": 2, "error": 3}
_QUIET: Final[frozenset[Dialect]] = frozenset({"nats", "postgres"})
"""Of these only warnings and errors are shown, unless everything is asked for: their chatter tells a user nothing."""
_EXPECTED: Final[dict[Dialect, tuple[str, ...]]] = {
    "nats": ("Plaintext passwords detected",),
    "postgres": (
        "the database system is starting up",
        "the database system is not yet accepting connections",
        "the database system is in recovery mode",
        "the database system is shutting down",
    ),
}
"""What looks like trouble and is none: the bus's passwords lie in a file of mode 0600 in a folder that is private, and
whoever asks a database too early (we do, to learn when it is ready) is told so."""


class LogView:
    """Writes lines with the name of who said them.

    On a terminal `12:00:01 evaluator-1 | warning event key=value`, one colour a name; elsewhere one JSON object a
    line: a service's own as it wrote it, any other wrapped. `write` should flush: somebody reads along. `now` (UTC)
    dates the supervisor's own lines.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        *,
        is_terminal: bool,
        shows_all: bool = False,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._write = write
        self._now = now
        self._is_terminal = is_terminal
        self._shows_all = shows_all
        self.shown_from: Level = "debug"
        """Children's lines below it are left out on a terminal: while all starts or stops they say a lot."""
        self._width = 12
        self._colours: dict[str, str] = {}

    def show(self, name: str, dialect: Dialect, text: str) -> None:
        """Show one line a child wrote (without its line end)."""
        text = text.rstrip()
        line = read_line(dialect, text)
        if not line.event or any(known in text for known in _EXPECTED.get(dialect, ())):
            return
        least = _RANK["warning"] if dialect in _QUIET else 0
        if self._is_terminal:
            least = max(least, _RANK[self.shown_from])
        if _RANK[line.level] < least and not self._shows_all:
            return
        if self._is_terminal:
            self._write_for_eyes(name, line)
        elif dialect == "json" and text.startswith("{"):
            self._write(f"{text}\n")
        else:
            self._write(json.dumps({"event": line.event, "level": line.level, "service": name}) + "\n")

    def say(self, text: str, level: Level = "info") -> None:
        """Show a line of the supervisor's own."""
        now = self._now() if self._now else None
        if self._is_terminal:
            self._write_for_eyes("hypercare", LogLine(text, level, f"{now:%H:%M:%S}" if now else ""))
            return
        at = {"timestamp": now.isoformat()} if now else {}
        self._write(json.dumps({"event": text, "level": level, "service": "supervisor", **at}) + "\n")

    def _write_for_eyes(self, name: str, line: LogLine) -> None:
        colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
        self._width = max(self._width, len(name))
        level = _paint(_LEVEL_COLOURS[line.level], f"{line.level} ") if line.level in {"warning", "error"} else ""
        fields = "".join(f" {_paint('2', f'{key}=')}{_harmless(value)}" for key, value in line.fields)
        head = f"{line.at or '        '} {_paint(colour, f'{name:<{self._width}} |')} "
        self._write(f"{head}{level}{_harmless(line.event)}{fields}\n")
        for trace in line.trace:
            self._write(f"{head}  {_harmless(trace)}\n")


def _harmless(text: str) -> str:
    """What a child wrote, which it may have from anybody, without what a terminal would obey."""
    return COMMANDS.sub(" ", text)


def _paint(colour: str, text: str) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if colour else text
