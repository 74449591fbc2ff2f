"""Pydantic's findings in our words, at the line where the mistake stands."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic_core import ErrorDetails

from shared.config.assemble import Assembled, Place
from shared.config.errors import ConfigError, Path, closest, error_at, shortened
from shared.config.fields import names_at
from shared.config.types import EMAIL_PATTERN, PHONE_PATTERN
from shared.config.unsupported import is_not_yet
from shared.values import ID_PATTERN, Severity

_PATTERNS: Final = {
    ID_PATTERN: "must be a name of small letters, digits and dashes that begins with a letter",
    PHONE_PATTERN: "must be a phone number in international form, like '+4915112345678'",
    EMAIL_PATTERN: "must be an e-mail address, like ana@example.org",
}

_OPEN_IN_CHANNELS: Final = frozenset({"host", "port", "from", "starttls", "api_url"})


def translate(details: ErrorDetails, assembled: Assembled) -> ConfigError:
    """Turn one finding into an error with its place."""
    path: Path = details["loc"]
    kind = details["type"]
    if path and path[-1] == "[key]":
        return _bad_name(path[:-1], details, assembled)
    place = assembled.place(path)
    if kind == "extra_forbidden":
        return _unknown_field(path, assembled)
    if kind == "missing":
        around = assembled.place(path[:-1])
        return error_at(around.key or around.value, path, "is missing")
    message = _message(details, place)
    return error_at(place.value, path, message, got(path, place), _suggestion(details, place))


def got(path: Path, place: Place) -> str | None:
    """Return the value as written, or None where it may be a secret or is no single word."""
    if place.written is None:
        return None
    if path[:1] == ("channels",) and path[-1] not in _OPEN_IN_CHANNELS:
        return None
    if "headers" in path or path[-1:] == ("url",):  # a password in the address, a token in a header
        return None
    return shortened(place.written) or "nothing"


def _unknown_field(path: Path, assembled: Assembled) -> ConfigError:
    place = assembled.place(path)
    mark = place.key or place.value
    if is_not_yet(path):
        return error_at(mark, path, "not supported in this version")
    return error_at(mark, path, "unknown field", suggestion=suggested_name(path, assembled))


def suggested_name(path: Path, assembled: Assembled) -> str | None:
    """Return the field that was probably meant by an unknown one: one that is not written beside it already."""
    around = path[:-1]
    return closest(str(path[-1]), [name for name in names_at(around) if (*around, name) not in assembled.places])


def _bad_name(path: Path, details: ErrorDetails, assembled: Assembled) -> ConfigError:
    place = assembled.place(path)
    mark = place.key or place.value
    if details["type"] == "enum":
        return error_at(mark, path, "unknown severity", suggestion=closest(str(path[-1]), [*Severity]))
    return error_at(mark, path, _PATTERNS.get(_context(details).get("pattern", ""), "is not a good name"))


def _context(details: ErrorDetails) -> Mapping[str, Any]:
    return details.get("ctx", {})


def _expected(details: ErrorDetails) -> list[str]:
    """The words an enum or literal error would have taken."""
    return [word.strip(" '\"") for word in str(_context(details).get("expected", "")).replace(" or ", ",").split(",")]


def _suggestion(details: ErrorDetails, place: Place) -> str | None:
    if details["type"] not in {"enum", "literal_error"} or place.written is None:
        return None
    return closest(place.written, _expected(details))


def _text_wanted(_: Mapping[str, Any], place: Place) -> str:
    if place.plain and place.written is not None and not place.expanded:
        return f"must be text; without quotes it is a number or a word of YAML: quote it, '{shortened(place.written)}'"
    return "must be text"


_WORDS: Final[dict[str, Callable[[Mapping[str, Any], Place], str]]] = {
    "string_type": _text_wanted,
    "bool_type": lambda _, __: "must be true or false",
    "int_type": lambda _, __: "must be a whole number",
    "float_type": lambda _, __: "must be a number",
    "int_parsing_size": lambda _, __: "is too large",
    "finite_number": lambda _, __: "must be a finite number",
    "dict_type": lambda _, __: "must be a mapping of names to values",
    "model_type": lambda _, __: "must be a mapping of names to values",
    "tuple_type": lambda _, __: "must be a list",
    "greater_than_equal": lambda ctx, _: f"must be at least {ctx['ge']}",
    "less_than_equal": lambda ctx, _: f"must be at most {ctx['le']}",
    "less_than": lambda ctx, _: f"must be less than {ctx['lt']}",
    "string_too_short": lambda _, __: "must not be empty",
    "string_too_long": lambda ctx, _: f"must be at most {ctx['max_length']} characters",
    "too_short": lambda ctx, _: f"needs at least {ctx['min_length']} entry",
    "too_long": lambda ctx, _: f"has more than {ctx['max_length']} entries",
    "string_pattern_mismatch": lambda ctx, _: _PATTERNS.get(ctx["pattern"], f"must match {ctx['pattern']}"),
    "enum": lambda ctx, _: f"must be one of {str(ctx['expected']).replace(chr(39), '')}",
    "literal_error": lambda ctx, _: f"must be {str(ctx['expected']).replace(chr(39), '')}",
    "value_error": lambda ctx, _: str(ctx["error"]),
}


def _message(details: ErrorDetails, place: Place) -> str:
    words = _WORDS.get(details["type"])
    return words(_context(details), place) if words else details["msg"]
