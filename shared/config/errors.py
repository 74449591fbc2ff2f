"""Mistakes in a configuration: each with its place, all of them at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""Where in the document: ("checks", "web-health", "http", "expect", "json", 0, "path")."""


@dataclass(frozen=True)
class Mark:
    """A place in a file, counted from 1 as editors do."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class ConfigError:
    """One mistake. `got` is the value as written, None where there is none or it may be a secret."""

    file: str
    line: int
    column: int
    path: str
    message: str
    got: str | None = None
    suggestion: str | None = None

    def __str__(self) -> str:
        words = [f"{self.file}:{self.line}:{self.column}: "]
        if self.path:
            words.append(f"{self.path}: ")
        words.append(self.message)
        if self.got is not None:
            words.append(f" (got {self.got})")
        if self.suggestion is not None:
            words.append(f'; did you mean "{self.suggestion}"?')
        return "".join(words)


class ConfigErrors(Exception):  # the plural says that it carries them all
    """Why a configuration was refused: every mistake, in the order of the files."""

    def __init__(self, errors: Iterable[ConfigError]) -> None:
        ordered = sorted(set(errors), key=lambda one: (one.file, one.line, one.column, one.path, one.message))
        self.errors: tuple[ConfigError, ...] = tuple(ordered)
        super().__init__("\n".join(str(one) for one in self.errors))


def error_at(
    mark: Mark, path: Path, message: str, got: str | None = None, suggestion: str | None = None
) -> ConfigError:
    """Build an error from a place and a path."""
    return ConfigError(mark.file, mark.line, mark.column, path_text(path), message, got, suggestion)


def path_text(path: Path) -> str:
    """Write a path as people do: `checks.web-health.http.expect.json[0].path`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return shortened(text, 200)


def shortened(text: str, limit: int = 60) -> str:
    """Cut what is too long for one line, and keep control characters from the terminal."""
    clean = "".join(letter if letter.isprintable() else " " for letter in text)
    return clean if len(clean) <= limit else f"{clean[: limit - 1]}…"


def closest(word: str, known: Sequence[str]) -> str | None:
    """Return the known word that was probably meant, or None."""
    # difflib takes quadratic time; nobody misspells a name of more than a hundred letters.
    found = get_close_matches(word[:100], known, n=1, cutoff=0.6)
    return found[0] if found else None
