"""Typed settings from the environment: `HYPERCARE_<NAME>`, or `HYPERCARE_<NAME>_FILE` for a file that holds it.

A service's own settings derive from `ServiceSettings` in its `settings.py`; nothing is read anywhere else. All
mistakes are shown at once, before the first connection is opened.
"""

import difflib
import os
import socket
import sys
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from shared.kit.errors import Unusable

PREFIX = "HYPERCARE_"


class _FileTwins(PydanticBaseSettingsSource):
    """Reads `HYPERCARE_X_FILE` for every field x. Giving both X and X_FILE is an error: never guess."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        del field
        name = f"{PREFIX}{field_name.upper()}"
        path = os.environ.get(f"{name}_FILE")  # noqa: TID251  # this is the one place
        if path is None:
            return None, field_name, False
        if name in os.environ:  # noqa: TID251  # this is the one place
            raise Unusable(f"{name} and {name}_FILE are both set; keep one")
        try:
            return Path(path).read_text(encoding="utf-8").strip(), field_name, False
        except OSError as error:
            raise Unusable(f"{name}_FILE: cannot read {path}: {error.strerror}") from error

    def __call__(self) -> dict[str, Any]:
        found = {}
        for field_name, field in self.settings_cls.model_fields.items():
            value, key, _ = self.get_field_value(field, field_name)
            if value is not None:
                found[key] = value
        return found


class BusSettings(BaseSettings):
    """Where the bus is and who we are there."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    nats_url: str = "nats://127.0.0.1:4222"
    """One URL or several, comma-separated."""
    nats_user: str | None = None
    nats_password: SecretStr | None = None
    nats_ca_file: Path | None = None
    """Whom to trust, PEM; without it the bus is spoken to in the clear."""
    nats_cert_file: Path | None = None
    nats_key_file: Path | None = None
    """Our own certificate and its key, PEM, where the bus asks for one."""

    @field_validator("nats_url")
    @classmethod
    def _a_server_at_least(cls, nats_url: str) -> str:
        if not nats_url.strip(", "):
            raise ValueError("name a server: nats://host:4222")  # images say so: in a container no default is right
        return nats_url

    @property
    def nats_urls(self) -> list[str]:
        """The servers to try."""
        return [url.strip() for url in self.nats_url.split(",") if url.strip()]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then environment, then the `_FILE` twins."""
        del dotenv_settings, file_secret_settings
        return (init_settings, env_settings, _FileTwins(settings_cls))


def _host_name() -> str:
    return socket.gethostname().split(".", maxsplit=1)[0].lower()


class ServiceSettings(BusSettings):
    """What every service needs to know."""

    instance: str = Field(default_factory=_host_name, pattern=r"^[\w-]{1,63}$")
    """Which replica this is; unique among the replicas of a service that run at the same time."""
    ops_host: str = "127.0.0.1"
    ops_port: int = Field(default=0, ge=0, le=65535)
    """Where /livez, /readyz and /metrics answer, without authentication: keep it off public networks. 0 = any."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"
    drain_s: float = Field(default=8.0, gt=0)
    """How long in-flight work may take after SIGTERM before it is handed back."""


class DatabaseSettings(ServiceSettings):
    """What a service with a database needs besides."""

    database_url: SecretStr
    """postgresql://user:password@host/name"""
    pool_size: int = Field(default=8, ge=2, le=64)


class TokenSettings(BusSettings):
    """What a service that checks API tokens needs besides."""

    token_key: SecretStr = Field(min_length=16)
    """Seals the entries of the bucket `tokens`; the same for every service that has it, and for `hypercare token`."""


class HttpSettings(BusSettings):
    """Where a service answers people and programs."""

    http_host: str = "127.0.0.1"
    http_port: int = Field(default=0, ge=0, le=65535)
    http_shared_port: bool = False
    """Replicas on one machine share the port (SO_REUSEPORT), so that killing one leaves the address alive."""


S = TypeVar("S", bound=BusSettings)


def load_settings(kind: type[S]) -> S:
    """Read and check all settings; raises Unusable with every mistake, each naming its variable, never its value."""
    try:
        return kind()
    except ValidationError as error:
        lines = [
            f"{PREFIX}{'.'.join(str(part) for part in problem['loc']).upper()}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        ]
        raise Unusable("settings:\n  " + "\n  ".join(lines)) from None


def misspelt(kind: type[BusSettings]) -> dict[str, str]:
    """Variables that are no setting of this kind and look like one, and which.

    Others beginning with `HYPERCARE_` are passed over: they may be another service's, or a secret somebody named so.
    """
    fields = [field.upper() for field in kind.model_fields]
    known = {f"{PREFIX}{field}{twin}" for field in fields for twin in ("", "_FILE")}
    found = {}
    for name in (name for name in environment() if name.startswith(PREFIX) and name not in known):
        plain = name.removeprefix(PREFIX).removesuffix("_FILE")  # what all names share would make them all alike
        if close := difflib.get_close_matches(plain, fields, n=1, cutoff=0.8):
            found[name] = f"{PREFIX}{close[0]}"
    return found


def environment() -> dict[str, str]:
    """The environment as a plain mapping, for `${NAME}` in a configuration and for children of `hypercare up`."""
    return dict(os.environ)  # noqa: TID251  # this is the one place


def secret_value(reference: str) -> str:
    """Resolve `env:NAME` or `file:/path` where it is used. Raises Unusable naming the reference, never a value."""
    kind, _, where = reference.partition(":")
    if kind == "env":
        value = os.environ.get(where)  # noqa: TID251  # this is the one place
        if not value:
            raise Unusable(f"secret {reference}: the variable is not set where this service runs")
        return value
    if kind == "file":
        try:
            return Path(where).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise Unusable(f"secret {reference}: {error.strerror}") from error
    raise Unusable("a secret must be written as env:NAME or file:/path")


def exit_unusable(error: Unusable) -> None:
    """Say why we cannot start, in words, and leave with exit code 2."""
    sys.stderr.write(f"hypercare: {error}\n")
    raise SystemExit(2)
