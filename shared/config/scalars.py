"""What a plain word of YAML means (the core schema of YAML 1.2), and `${NAME:-default}` in it."""

import re
from collections.abc import Mapping
from typing import Final

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT: Final = re.compile(r"[-+]?[0-9]{1,300}", re.ASCII)
_OCTAL: Final = re.compile(r"0o[0-7]{1,300}", re.ASCII)
_HEX: Final = re.compile(r"0x[0-9a-fA-F]{1,300}", re.ASCII)
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_VARIABLE: Final = re.compile(r"\$\$\{|\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^{}]*))?\})?", re.ASCII)

LONGEST_SCALAR: Final = 65_536


def resolve_plain(text: str) -> object:
    """Return what an unquoted word means: null, a bool, a number, else the text. `no` and `12:30` are texts."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text):
        return int(text, 0)
    if _HEX.fullmatch(text):
        return int(text, 0)
    # `.inf` and `.nan` stay words on purpose: no number of a configuration may be one of them.
    return float(text) if _FLOAT.fullmatch(text) else text


def is_one_variable(text: str) -> bool:
    """Whether a text is `${NAME}` or `${NAME:-default}` from its first to its last letter."""
    match = _VARIABLE.fullmatch(text)
    return match is not None and match["name"] is not None


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace every `${NAME}` and `${NAME:-default}`; `$${` stands for `${`.

    The default is taken where the variable is missing or empty. Raises ValueError, with the variable's name, for one
    that is missing without a default, and for a `${` that is not closed.
    """

    def value_of(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if match[0] == "$${":
            return "${"
        if name is None:
            raise ValueError(
                "has a ${ that is not ${NAME} or ${NAME:-default}; write $${ for the characters themselves"
            )
        value = variables.get(name) or default
        if value is None:
            raise ValueError(f"needs the variable {name}, which is not set and has no default")
        return value

    expanded = _VARIABLE.sub(value_of, text)
    if len(expanded) > LONGEST_SCALAR:
        raise ValueError(f"is longer than {LONGEST_SCALAR} characters")
    return expanded
