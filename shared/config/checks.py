"""Services, and the checks that look at them."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_serializer, model_validator

from shared.config.json_path import JsonPath
from shared.config.patterns import compile_pattern
from shared.config.scalars import resolve_plain
from shared.config.types import (
    ALSO_VARIABLE,
    Between,
    Duration,
    Flag,
    FromVariable,
    Id,
    Link,
    Prose,
    Strict,
    Text,
    Unit,
    Url,
)
from shared.values import ID_PATTERN, CheckId, ServiceId

SECRET_HEADERS: Final = frozenset(
    {"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "x-auth-token"}
)
"""Headers that carry secrets by their nature: only a reference is taken for them."""

FRAMING_HEADERS: Final = frozenset({"content-length", "transfer-encoding"})
"""Headers that say where a request ends: the prober sets them, and another's would not be true."""

PHASES: Final = ("dns", "connect", "tls", "ttfb", "transfer")
SERIES: Final = ("total", *PHASES)
"""What every http check measures, in seconds, without being asked."""


class CheckKind(StrEnum):
    """How a check looks at the world."""

    HTTP = "http"
    HEARTBEAT = "heartbeat"


class Service(Strict):
    """Something people depend on; incidents are opened per service."""

    description: Prose | None = None
    escalation: Id
    """Who is paged."""
    runbook: Link | None = None


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, int | str) else value  # a single one in place of a list of one


Statuses = Annotated[
    tuple[Annotated[int, Field(strict=True, ge=100, le=599), ALSO_VARIABLE], ...],
    BeforeValidator(_one_or_many),
    Field(min_length=1, max_length=50),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}, "minItems": 1}]}),
]


def _compiles(value: str) -> str:
    compile_pattern(value)
    return value


Regex = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_compiles)]
Texts = Annotated[
    tuple[Text, ...],
    BeforeValidator(_one_or_many),
    Field(max_length=50),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
Regexes = Annotated[
    tuple[Regex, ...],
    BeforeValidator(_one_or_many),
    Field(max_length=50),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False), ALSO_VARIABLE]


def _plain_value(value: object) -> object:
    if value is not None and not isinstance(value, str | int | float | bool):
        raise ValueError("must be a text, a number, true, false or null")
    return value


class JsonExpectation(Strict):
    """One value of the answer, and exactly one thing that must hold of it."""

    path: JsonPath
    is_: Annotated[
        object,
        AfterValidator(_plain_value),
        Field(alias="is"),
        WithJsonSchema({"type": ["string", "number", "boolean", "null"]}),
    ] = None
    matches: Regex | None = None
    above: Number | None = None
    below: Number | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "JsonExpectation":
        given = sorted(self.model_fields_set - {"path"})
        if len(given) != 1:
            raise ValueError("needs exactly one of is, matches, above, below")
        return self

    @model_serializer
    def _as_written(self) -> dict[str, str | float | bool | None]:
        # `is: null` and no `is` at all are different things, which the default of null would make one.
        return {"path": self.path, self.op: self.value}

    @property
    def op(self) -> Literal["is", "matches", "above", "below"]:
        """The comparison that was written."""
        if "is_" in self.model_fields_set:
            return "is"
        if self.matches is not None:
            return "matches"
        return "above" if self.above is not None else "below"

    @property
    def value(self) -> str | float | bool | None:
        """What is compared with."""
        if self.op == "is" and (self.is_ is None or isinstance(self.is_, str | int | float | bool)):
            return self.is_
        return self.matches if self.matches is not None else self.above if self.above is not None else self.below


class Body(Strict):
    """Words that must be in the answer."""

    contains: Texts = ()
    regex: Regexes = ()


class Expect(Strict):
    """What makes an answer a good one. Without it: any status from 200 to 299."""

    status: Statuses | None = None
    headers: dict[str, Text] = Field(default_factory=dict)
    """Parts that must appear in the named response header."""
    body: Body = Body()
    json_: Annotated[tuple[JsonExpectation, ...], Field(alias="json", max_length=50)] = ()


class ReadValue(Strict):
    """A number taken from the answer. One that is missing is said, not taken as zero."""

    path: JsonPath
    unit: Unit = Unit.NUMBER


ValueName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]

MAX_REDIRECTS: Final = 5


def _redirects(value: object) -> object:
    plain = resolve_plain(value) if isinstance(value, FromVariable) else value
    return (MAX_REDIRECTS if plain else 0) if isinstance(plain, bool) else plain


Redirects = Annotated[
    int,
    Field(strict=True, ge=0, le=20),
    BeforeValidator(_redirects),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "integer", "minimum": 0, "maximum": 20}]}),
]

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class Http(Strict):
    """Ask a web address, and judge its answer."""

    url: Url
    method: Method = "GET"
    headers: dict[str, Annotated[str, Field(max_length=4000)]] = Field(default_factory=dict)
    """A value `env:NAME` or `file:/path` is looked up where it is used; Authorization and its like must be one."""
    expect: Expect = Expect()
    read: dict[ValueName, ReadValue] = Field(default_factory=dict)
    follow_redirects: Redirects = MAX_REDIRECTS
    """How many are followed; 0 for none. On by default."""
    verify_tls: Flag = True


class Heartbeat(Strict):
    """Others ping us; silence for `every` + `grace` is the failure."""

    every: Annotated[Duration, AfterValidator(Between(least=timedelta(seconds=1)))]
    grace: Annotated[Duration, AfterValidator(Between(least=timedelta(seconds=1)))] = timedelta(minutes=1)


class Check(Strict):
    """One way to look at one service, again and again. Exactly one kind."""

    service: Id
    every: Annotated[Duration, AfterValidator(Between(timedelta(seconds=1), timedelta(days=1)))] | None = None
    timeout: Annotated[Duration, AfterValidator(Between(timedelta(milliseconds=10), timedelta(minutes=1)))] | None = (
        None
    )
    grace: Annotated[Duration, AfterValidator(Between(least=timedelta(seconds=1)))] | None = None
    http: Http | None = None
    heartbeat: Heartbeat | None = None

    @property
    def kind(self) -> CheckKind:
        """Which kind was written."""
        return CheckKind.HTTP if self.http is not None else CheckKind.HEARTBEAT

    @property
    def interval(self) -> timedelta:
        """How often a sample is due: `every`, for a heartbeat its own `every`."""
        if self.heartbeat is not None:
            return self.heartbeat.every
        return self.every or timedelta(seconds=30)

    @property
    def time_limit(self) -> timedelta:
        """How long one probe may take: `timeout`, else 10 s or `every`, whichever is less; none for a heartbeat."""
        if self.heartbeat is not None:
            return timedelta()
        return self.timeout or min(self.interval, timedelta(seconds=10))

    @property
    def patience(self) -> timedelta:
        """What is allowed on top of interval and time-out before a sample counts as missing.

        Default: the interval, but at least 5 s (an election of the bus) and at most a minute.
        """
        if self.heartbeat is not None:
            return self.heartbeat.grace
        return self.grace or min(max(self.interval, timedelta(seconds=5)), timedelta(minutes=1))

    @property
    def units(self) -> dict[str, Unit]:
        """Everything a rule can measure here, with its unit."""
        if self.http is None:
            return {}
        return {**dict.fromkeys(SERIES, Unit.S), **{name: value.unit for name, value in self.http.read.items()}}


Services = dict[Annotated[ServiceId, Field(pattern=ID_PATTERN)], Service]
Checks = dict[Annotated[CheckId, Field(pattern=ID_PATTERN)], Check]
