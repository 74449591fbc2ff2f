"""What every message on the bus has in common: a subject, a CloudEvents envelope, tolerant reading."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from string import Formatter
from typing import ClassVar, Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared.values import stable_id

SPEC_VERSION: Final = "1.0"
CONTENT_TYPE: Final = "application/json"
MSG_ID_HEADER: Final = "Nats-Msg-Id"

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Subject:
    """A bus subject with named tokens: `hc.incidents.v1.{incident}.opened`."""

    template: str

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the tokens, left to right."""
        return tuple(name for _, name, _, _ in Formatter().parse(self.template) if name)

    def of(self, **tokens: str | int) -> str:
        """Fill in the tokens. Raises ValueError for a token that would not be one word of a subject."""
        for name, value in tokens.items():
            if not _TOKEN.fullmatch(str(value)):
                raise ValueError(f"{name}={value!r} cannot be a token of subject {self.template}")
        return self.template.format(**tokens)

    @property
    def wildcard(self) -> str:
        """The subscription that matches every message of this kind: each token becomes `*`."""
        return self.template.format(**dict.fromkeys(self.names, "*"))


class Message(BaseModel):
    """A message on the bus. Readers ignore unknown fields; writers only ever add optional ones (ADR 0007)."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="strings")

    subject: ClassVar[Subject]
    ce_type: ClassVar[str]

    @property
    def tokens(self) -> dict[str, str | int]:
        """The subject's tokens, read from the fields of the same names."""
        return {name: getattr(self, name) for name in self.subject.names}

    @property
    def on_subject(self) -> str:
        """The subject this very message is published on."""
        return self.subject.of(**self.tokens)

    @property
    def msg_id(self) -> str:
        """The `Nats-Msg-Id`: the same message published twice is stored once."""
        raise NotImplementedError(f"{type(self).__name__} does not say its id")

    def to_json(self) -> bytes:
        """Serialise the data part; absent optional fields are left out."""
        return self.model_dump_json(exclude_none=True).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read the data part. Raises pydantic.ValidationError."""
        return cls.model_validate_json(data)


class Event(Message):
    """A fact in the past tense (or a command in the imperative), with an identity and a cause."""

    event_id: str
    """Names the event for ever; also its `Nats-Msg-Id` where the class names no other."""
    occurred_at: AwareDatetime
    """UTC."""
    caused_by: str | None = None
    """The `event_id` of the message that led to this one; None at the start of a chain."""

    @property
    def msg_id(self) -> str:
        """An event's own id is what makes publishing it twice harmless."""
        return self.event_id


def envelope(message: Message, source: str, *, at: str | None = None) -> dict[str, str]:
    """Return the NATS headers of a CloudEvents 1.0 message in binary mode.

    `source` is a URI reference to the writer (`/hypercare/incidents`). `at` is RFC 3339; an Event brings its own.
    """
    headers = {
        MSG_ID_HEADER: message.msg_id,
        "ce-specversion": SPEC_VERSION,
        "ce-id": message.msg_id,
        "ce-type": message.ce_type,
        "ce-source": source,
        "content-type": CONTENT_TYPE,
    }
    if isinstance(message, Event):
        headers["ce-time"] = message.occurred_at.isoformat()
        if message.caused_by:
            headers["ce-causedby"] = message.caused_by
    elif at:
        headers["ce-time"] = at
    return headers


def type_in(headers: Mapping[str, str] | None) -> str | None:
    """Return the CloudEvents type named in a message's headers, or None."""
    return (headers or {}).get("ce-type")


def derived_id(message_type: type[Message], *parts: str | int) -> str:
    """Return an event id that a second attempt at the same work arrives at again."""
    return stable_id(message_type.ce_type, *parts)
