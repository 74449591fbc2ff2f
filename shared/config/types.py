"""The small types the document is made of: durations, thresholds with units, references to secrets, addresses."""

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final, Self
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from shared.config.scalars import resolve_plain
from shared.plain_text import COMMANDS
from shared.values import ID_PATTERN, format_duration, parse_duration

DURATION_PATTERN: Final = r"^(\d+(\.\d+)?(ms|s|m|h|d|w))+$"
THRESHOLD_PATTERN: Final = r"^-?\d+(\.\d+)?(ms|s|m|h|d|%|B|kB|MB|GB|KiB|MiB|GiB)?$"
PHONE_PATTERN: Final = r"^\+[1-9][0-9]{6,14}$"
EMAIL_PATTERN: Final = r"^[^@\s,;<>]+@[^@\s,;<>]+$"

_HOST_NAME: Final = re.compile(r"(?!-)[\w-]{1,63}(?<!-)(\.(?!-)[\w-]{1,63}(?<!-))*\.?", re.ASCII)

LONGEST: Final = timedelta(days=366)
"""No clock, window or wait of a launch is longer; more is a typing mistake."""


class Strict(BaseModel):
    """A part of the document: unknown fields are errors, and nothing changes after it was read."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, serialize_by_alias=True)


def _read_duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"needs a unit, like {value}s")  # noqa: TRY004  # pydantic turns only ValueError into our error
    if not isinstance(value, str):
        raise ValueError("must be a duration, like 500ms, 5s, 1m30s, 24h or 7d")  # noqa: TRY004  # as above
    try:
        duration = parse_duration(value)
    except (ValueError, OverflowError) as error:
        raise ValueError("must be a duration, like 500ms, 5s, 1m30s, 24h or 7d") from error
    if duration > LONGEST:
        raise ValueError(f"must be at most {format_duration(LONGEST)}")
    return duration


Duration = Annotated[
    timedelta,
    BeforeValidator(_read_duration),
    PlainSerializer(format_duration, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "description": "A duration: 500ms, 5s, 1m30s, 24h"}),
]
"""At least 0, at most a year, in milliseconds; written `1m30s`."""


@dataclass(frozen=True)
class Between:
    """Bounds of a duration, with words for people: `must be at least 1s`."""

    least: timedelta = timedelta()
    most: timedelta = LONGEST

    def __call__(self, value: timedelta) -> timedelta:
        """Return the value; raise ValueError outside the bounds (both allowed)."""
        if value < self.least:
            raise ValueError(f"must be at least {format_duration(self.least)}")
        if value > self.most:
            raise ValueError(f"must be at most {format_duration(self.most)}")
        return value


class FromVariable(str):
    """A quoted text that is nothing but one `${NAME}`: YAML allows no other way to write a number so inside `{...}`."""

    __slots__ = ()


def _value_of_variable(value: object) -> object:
    return resolve_plain(value) if isinstance(value, FromVariable) else value


ALSO_VARIABLE: Final = BeforeValidator(_value_of_variable)
"""For numbers and flags: `port: '${PORT:-2525}'` is a number although it stands in quotes."""


APPLIED: Final = "applied"
"""Validation context: the document was taken long ago, perhaps by a version that let more characters pass."""


def _check_prose(value: str, info: ValidationInfo) -> str:
    if info.context != APPLIED and COMMANDS.search(value):
        raise ValueError("must not have a control character in it")
    return value


def _check_line(value: str, info: ValidationInfo) -> str:
    if info.context != APPLIED and re.search(r"[\t\n]", value):
        raise ValueError("must be one line, without line breaks and tabs")
    return _check_prose(value, info)


Id = Annotated[str, Field(pattern=ID_PATTERN)]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
"""What is looked for: any characters."""
Prose = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_check_prose)]
"""What people read, perhaps on several lines."""
Line = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_check_line)]
"""What people read on one line; it goes into headers of mails."""
Count = Annotated[int, Field(strict=True, ge=1, le=1000), ALSO_VARIABLE]
Flag = Annotated[bool, Field(strict=True), ALSO_VARIABLE]
Phone = Annotated[str, Field(pattern=PHONE_PATTERN)]


def _check_email(value: str, info: ValidationInfo) -> str:
    if info.context != APPLIED and not value.isascii():
        raise ValueError("must be an address in ASCII; write its domain as xn--…, mail servers rarely take more")
    return value


Email = Annotated[
    str, Field(pattern=EMAIL_PATTERN, max_length=254), AfterValidator(_check_line), AfterValidator(_check_email)
]


def check_url(value: str) -> str:
    """Return an http(s) URL with a host and without a login; raise ValueError for anything else."""
    if re.search(r"[\s\x00-\x1f\x7f]", value):
        raise ValueError("must be a URL without spaces or control characters")
    try:
        parts = urlsplit(value)
        has_host = bool(parts.hostname) and parts.port != 0  # reading .port raises for one that is no number
    except ValueError as error:
        raise ValueError("must be a URL, like https://erp.example.org/health") from error
    if parts.scheme not in {"http", "https"} or not has_host:
        raise ValueError("must be an http:// or https:// URL with a host")
    if "@" in parts.netloc:
        raise ValueError("must not carry a user or password; send an Authorization header from env: or file:")
    return value


def _check_address(value: str, info: ValidationInfo) -> str:
    """Refuse what no client can put on the wire; names the character, not the address, which may hold a secret."""
    if info.context == APPLIED:
        return value
    host = urlsplit(value).hostname or ""
    if not host.isascii():
        raise ValueError(f"must have a host in ASCII; write {host} as {_in_ascii(host)}")
    if ":" not in host and not _HOST_NAME.fullmatch(host):  # an IPv6 address has been checked with the URL
        raise ValueError("must have a host that is a name or an address")
    for character in value:
        if not character.isascii():
            raise ValueError(f"must be ASCII; write {character} as {quote(character)}")
    return value


def _in_ascii(host: str) -> str:
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return "xn--…"


_URL_SCHEMA: Final = WithJsonSchema(
    {"type": "string", "pattern": r"^(https?://|\$\{)", "description": "An http(s) address"}
)
Url = Annotated[str, Field(max_length=2000), AfterValidator(check_url), AfterValidator(_check_address), _URL_SCHEMA]
"""What we ask ourselves."""
Link = Annotated[str, Field(max_length=2000), AfterValidator(check_url), _URL_SCHEMA]
"""What people follow: their browsers take any characters."""


def _check_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, OSError, KeyError) as error:  # KeyError: ZoneInfoNotFoundError; OSError: a folder or too long
        raise ValueError("is not a time zone; write one like Europe/Berlin") from error
    return value


Zone = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_check_zone)]


class Unit(StrEnum):
    """What a number read from an answer is measured in."""

    MS = "ms"
    S = "s"
    PERCENT = "percent"
    RATIO = "ratio"
    BYTES = "bytes"
    NUMBER = "number"


_SUFFIXES: Final[dict[str, tuple[str, float]]] = {
    **{
        unit: ("time", factor) for unit, factor in {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}.items()
    },
    "%": ("share", 0.01),
    **{unit: ("bytes", 1000.0**power) for power, unit in enumerate(("B", "kB", "MB", "GB"))},
    **{unit: ("bytes", 1024.0**power) for power, unit in enumerate(("KiB", "MiB", "GiB"), start=1)},
    "": ("number", 1.0),
}
_IN_UNIT: Final[dict[Unit, tuple[str, float, str]]] = {
    Unit.MS: ("time", 0.001, "50ms"),
    Unit.S: ("time", 1.0, "500ms or 2s"),
    Unit.PERCENT: ("share", 0.01, "80%"),
    Unit.RATIO: ("share", 1.0, "80%"),
    Unit.BYTES: ("bytes", 1.0, "10MB"),
    Unit.NUMBER: ("number", 1.0, "a plain number such as 42"),
}


@dataclass(frozen=True)
class Threshold:
    """A number with the unit it was written in: `500ms`, `80%`, `10MB`, `42`."""

    text: str
    number: float
    suffix: str

    @classmethod
    def read(cls, value: object) -> Self:
        """Read a threshold; raise ValueError for what is none."""
        if isinstance(value, cls):
            return value
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError("must be a number with its unit, like 500ms, 80% or 42")  # noqa: TRY004  # for pydantic
        text = str(value)
        match = re.fullmatch(r"(-?\d{1,15}(?:\.\d{1,15})?)(ms|s|m|h|d|%|B|kB|MB|GB|KiB|MiB|GiB)?", text, re.ASCII)
        if match is None:
            raise ValueError("must be a number with its unit, like 500ms, 80% or 42")
        return cls(text, float(match[1]), match[2] or "")

    def measured_in(self, unit: Unit) -> float:
        """Return the number in `unit`; raise ValueError when the two measure different things."""
        kind, factor = _SUFFIXES[self.suffix]
        wanted, divisor, example = _IN_UNIT[unit]
        if kind != wanted:
            raise ValueError(f"must be in the unit of what is measured ({unit}): write {example}")
        # Twelve digits: 200ms over 0.001 is 200.00000000000003 in binary, and a threshold must be what was written.
        return float(f"{self.number * factor / divisor:.12g}")

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate from text or number; write back what was written."""
        return core_schema.no_info_plain_validator_function(
            cls.read, serialization=core_schema.plain_serializer_function_ser_schema(lambda one: one.text)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """For editors: a plain number, or text with a unit."""
        return {"anyOf": [{"type": "number"}, {"type": "string", "pattern": THRESHOLD_PATTERN}]}
