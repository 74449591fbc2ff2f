"""Regular expressions of a configuration, in RE2's syntax: matching takes time linear in the text, whatever it says.

Python's own engine can be made to search for years by an innocent expression and a text of forty letters, and a prober
that waits for it looks at nothing else.
"""

from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import re2

_MOST_MEMORY: Final = 8 << 20
"""Bytes for one compiled expression; one that needs more is refused."""


@dataclass(frozen=True)
class Pattern:
    """A compiled expression; `pattern` is as written."""

    pattern: str
    _compiled: Any = field(repr=False, compare=False)

    def search(self, text: str) -> bool:
        """Whether the expression occurs anywhere in the text. Half a character (a lone surrogate) reads as `?`."""
        return self._compiled.search(text.encode(errors="replace").decode()) is not None


@cache
def _options() -> object:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MOST_MEMORY
    return options


def compile_pattern(text: str) -> Pattern:
    """Compile an expression. Raises ValueError with what is wrong; look-around and back references are not there."""
    try:
        compiled = re2.compile(text, options=_options())
    except re2.error as error:
        said = error.args[0] if error.args else ""
        why = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise ValueError(f"is not a regular expression (RE2): {why}") from error
    return Pattern(text, compiled)
