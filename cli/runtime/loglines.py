"""What our children write, read into one shape: services' JSON, nats-server's and Postgres's own."""

import json
import re
from dataclasses import dataclass, field
from typing import Final, Literal

Dialect = Literal["json", "nats", "postgres", "plain"]
Level = Literal["debug", "info", "warning", "error"]

_LEVELS: Final[dict[str, Level]] = {
    "debug": "debug", "DBG": "debug", "TRC": "debug",
    "info": "info", "INF": "info", "LOG": "info", "NOTICE": "info",
    "warning": "warning", "warn": "warning", "WRN": "warning", "WARNING": "warning",
    "error": "error", "critical": "error", "exception": "error", "ERR": "error", "FTL": "error",
    "ERROR": "error", "FATAL": "error", "PANIC": "error",
}  # fmt: skip
_NATS: Final = re.compile(r"\[\d+\] \d{4}/\d\d/\d\d (\d\d:\d\d:\d\d)\.\d+ \[([A-Z]{3})\] ?(.*)")
_POSTGRES: Final = re.compile(r"([A-Z]+): +(.*)")
_KNOWN: Final = ("event", "level", "timestamp", "service", "instance", "exception")


@dataclass(frozen=True)
class LogLine:
    """One line of a log. `at` is `HH:MM:SS` UTC, or empty where the writer does not say."""

    event: str
    level: Level = "info"
    at: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    trace: tuple[str, ...] = field(default=())
    """An exception, innermost call last, then what it says."""


def read_line(dialect: Dialect, text: str) -> LogLine:
    """Read one line. What is not in its writer's form is taken as it stands."""
    if dialect == "nats" and (nats := _NATS.fullmatch(text)):
        return LogLine(nats[3], _LEVELS.get(nats[2], "info"), nats[1])
    if dialect == "postgres" and (postgres := _POSTGRES.fullmatch(text)):
        return LogLine(postgres[2], _LEVELS.get(postgres[1], "info"))
    if dialect == "json" and text.startswith("{"):
        return _read_json(text) or LogLine(text)
    return LogLine(text)


def as_text(line: LogLine) -> str:
    """Write a line without colours: `warning config_refused reason="…"`."""
    level = f"{line.level} " if line.level in {"warning", "error"} else ""
    fields = "".join(f" {name}={value}" for name, value in line.fields)
    at = f"{line.at} " if line.at else ""
    return "\n".join([f"{at}{level}{line.event}{fields}", *(f"  {one}" for one in line.trace)])


def _read_json(text: str) -> LogLine | None:
    try:
        said = json.loads(text)
    except ValueError:
        return None
    if not isinstance(said, dict) or "event" not in said:
        return None
    at = str(said.get("timestamp", ""))
    return LogLine(
        event=str(said["event"]),
        level=_LEVELS.get(str(said.get("level")), "info"),
        at=at[11:19] if len(at) > 18 else "",  # noqa: PLR2004  # 2026-02-20T12:34:56...
        fields=tuple((name, _plain(value)) for name, value in said.items() if name not in _KNOWN),
        trace=_trace(said.get("exception")),
    )


def _plain(value: object) -> str:
    """A value as a person writes it: quoted only where a space would make it two."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return json.dumps(text, ensure_ascii=False) if isinstance(value, str) and (" " in text or not text) else text


def _trace(exception: object) -> tuple[str, ...]:
    """A traceback as structlog writes it: text, or a list of {exc_type, exc_value, frames}."""
    if isinstance(exception, str):
        return tuple(exception.splitlines())
    lines: list[str] = []
    for one in exception if isinstance(exception, list) else []:
        if isinstance(one, dict):
            frames = [frame for frame in one.get("frames", []) if isinstance(frame, dict)]
            lines += [f"  {frame.get('filename')}:{frame.get('lineno')} in {frame.get('name')}" for frame in frames]
            lines.append(f"{one.get('exc_type')}: {one.get('exc_value')}")
    return tuple(lines)
