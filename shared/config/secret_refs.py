"""References to secrets: the document says where one is to be found, never what it is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from shared.config.types import check_url


class SecretMissing(LookupError):  # a fact about the world, shown at apply; "Error" adds nothing
    """A reference points to a variable that is not set or a file that cannot be read; says which, never the value."""


@dataclass(frozen=True)
class SecretRef:
    """Where a secret is to be found when it is used: `env:NAME` or `file:/path`. Never the secret itself."""

    source: Literal["env", "file", "literal"]
    name: str
    allows_literal: ClassVar[bool] = False

    @property
    def text(self) -> str:
        """The reference as written; for a plain address (UrlRef) the address."""
        return self.name if self.source == "literal" else f"{self.source}:{self.name}"

    def resolve(self, environment: Mapping[str, str]) -> str:
        """Return the secret, without the line end of a file. Raises SecretMissing."""
        if self.source == "literal":
            return self.name
        if self.source == "env":
            value = environment.get(self.name)
        else:
            try:
                value = Path(self.name).read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                raise SecretMissing(f"{self.text}: {type(error).__name__}") from error
        if not value:
            raise SecretMissing(f"{self.text}: is not set or empty")
        return value

    @classmethod
    def read(cls, value: object) -> Self:
        """Read a reference; the error never repeats the value, which may be the secret."""
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            if re.fullmatch(r"env:[A-Za-z_][A-Za-z0-9_]{0,127}", value, re.ASCII):
                return cls("env", value[4:])
            if re.fullmatch(r"file:/[^\x00-\x1f]{1,1000}", value):
                return cls("file", value[5:])
            if cls.allows_literal:
                return cls("literal", check_url(value))
        raise ValueError("must be a reference, env:NAME or file:/path; a secret is never written here")

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate from text; write the reference."""
        return core_schema.no_info_plain_validator_function(
            cls.read, serialization=core_schema.plain_serializer_function_ser_schema(lambda one: one.text)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """For editors: a pattern."""
        pattern = r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:/.+)$"
        return {"type": "string", "pattern": pattern if not cls.allows_literal else r"^(env:|file:/|https?://|\$\{)"}


class UrlRef(SecretRef):
    """An address that may be a secret: `env:NAME`, `file:/path`, or a plain http(s) URL."""

    allows_literal: ClassVar[bool] = True
