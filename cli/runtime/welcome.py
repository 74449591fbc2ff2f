"""The screenful that `hypercare up` opens with: 80 columns, 24 lines."""

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from cli.system import DEFAULT_DATA
from shared.kit.settings import environment
from shared.values import format_duration

if TYPE_CHECKING:
    from shared.config import Document

WIDTH: Final = 80
MOST_LINES_OF_SERVICES: Final = 8
_TRY: Final = (
    ("drill break errors", "the ERP answers 500 from now on"),
    ("incident list", "what became of it"),
    ("page list", "who was reached, and how"),
    ("drill heal", "and it recovers"),
)
_LOOK: Final = (
    ("status", "what runs, and where heartbeats are to be sent"),
    ("incident list", "what is wrong"),
    ("page list", "who was reached, and how"),
    ("apply FILE", "change what is watched"),
)


@dataclass(frozen=True)
class Screen:
    """What the screen tells. `login`: the console's address, or how to get in, in words."""

    document: "Document"
    addresses: Mapping[str, str]
    command: "Command"
    login: str
    with_example: bool


@dataclass(frozen=True)
class Command:
    """How one calls `hypercare` in another terminal, and what has to follow each command (`--data …`)."""

    words: str
    options: str = ""

    def line(self, what: str) -> str:
        """A whole line to type."""
        return f"{self.words} {what}{self.options}"


def command_for(folder: Path) -> Command:
    """The command as it was called this time, for somebody in the same directory."""
    is_usual = folder == DEFAULT_DATA.absolute().resolve()
    return Command(_called_as(), "" if is_usual else f" --data {folder}")


def _called_as() -> str:
    program = Path(sys.argv[0])
    if program.name != "hypercare":
        return "python -m cli"
    if "UV_RUN_RECURSION_DEPTH" in environment():  # `uv run` has put our folder on the path, for this process only
        return "uv run hypercare"
    found = shutil.which("hypercare")
    if found is not None and program.resolve() == Path(found).resolve():
        return "hypercare"
    inside = program.absolute()
    return str(inside.relative_to(Path.cwd())) if inside.is_relative_to(Path.cwd()) else str(inside)


def welcome(screen: Screen) -> str:
    """What is watched, where to look, and what to try."""
    lines = ["", f"Hypercare is watching {screen.document.programme}", "", *_services(screen.document), ""]
    lines.append(f"  Console   {screen.login}" if len(screen.login) <= WIDTH - 12 else f"  Console\n  {screen.login}")
    where = screen.addresses
    if screen.with_example:
        lines.append(f"  Inbox     {where['inbox_url']}  what arrived; press Acknowledge there")
        lines.append(f"  Example   {where['example_url']}/health")
    lines.append(f"  API       {where['incidents_url']}/api/v1/openapi.json")
    lines += ["", "Try, in another terminal:", *_commands(screen)]
    return "\n".join([*lines, "", "watching; Ctrl-C stops everything", ""])


def _services(document: "Document") -> list[str]:
    """One service a line, wrapped below itself; the last line counts those there is no room for."""
    width = max(len(name) for name in document.services)
    lines: list[str] = []
    for number, name in enumerate(document.services):
        words = wrap(", ".join(_checks_of(document, name)) or "no checks", WIDTH - width - 4)
        if len(lines) + len(words) > MOST_LINES_OF_SERVICES:
            return [*lines, f"  and {len(document.services) - number} more"]
        lines += [f"  {name if n == 0 else '':<{width}}  {text}" for n, text in enumerate(words)]
    return lines


def _checks_of(document: "Document", service: str) -> list[str]:
    return [
        f"{check_id} {'every' if check.heartbeat is None else 'pings us every'} {format_duration(check.interval)}"
        for check_id, check in document.checks.items()
        if check.service == service
    ]


def _commands(screen: Screen) -> list[str]:
    """Commands with what they do beside them, where there is room."""
    listed = [(screen.command.line(what), why) for what, why in (_TRY if screen.with_example else _LOOK)]
    width = max(len(line) for line, _ in listed)
    has_room = all(width + len(why) + 4 <= WIDTH for _, why in listed)
    return [f"  {line:<{width}}  {why}" if has_room else f"  {line}" for line, why in listed]
