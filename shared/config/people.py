"""People, how they are reached, who is paged after whom, and the channels that carry it."""

from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from shared.config.secret_refs import SecretRef, UrlRef
from shared.config.types import ALSO_VARIABLE, Between, Duration, Email, Flag, Id, Line, Phone, Strict, Url, Zone
from shared.values import ID_PATTERN, PersonId, Severity


class ChannelKind(StrEnum):
    """The ways out this version has."""

    EMAIL = "email"
    SMS = "sms"
    CHAT = "chat"
    WEBHOOK = "webhook"


class Reach(Strict):
    """One address on one channel: `{sms: '+4915112345678'}`."""

    email: Email | None = None
    sms: Phone | None = None
    chat: Line | None = None
    """A member (`U024BE7LH`) or a room (`#erp-launch`)."""
    webhook: Line | None = None
    """Whom the receiver of the webhook should understand."""

    @model_validator(mode="after")
    def _exactly_one(self) -> "Reach":
        if sum(part is not None for part in (self.email, self.sms, self.chat, self.webhook)) != 1:
            raise ValueError("needs exactly one of email, sms, chat, webhook")
        return self

    @property
    def kind(self) -> ChannelKind:
        """Which channel."""
        return next(kind for kind in ChannelKind if getattr(self, kind.value) is not None)

    @property
    def address(self) -> str:
        """Where, on that channel."""
        return self.email or self.sms or self.chat or self.webhook or ""


class Person(Strict):
    """Somebody who can be paged."""

    name: Line
    timezone: Zone | None = None
    """The programme's unless given."""
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] = "en"
    role: Id | None = None
    reach: Annotated[tuple[Reach, ...], Field(min_length=1, max_length=20)]
    """In this order; the next at once when one fails."""


class Step(Strict):
    """These people at once; then `wait` for an acknowledgement before the next step."""

    notify: Annotated[tuple[Id, ...], Field(min_length=1, max_length=50)]
    wait: Annotated[Duration, AfterValidator(Between(least=timedelta(seconds=1)))] | None = None
    """Needed on every step that another one follows, also the next round's first."""


class Policy(Strict):
    """Who is paged, one step after the other, until somebody acknowledges."""

    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=50)]
    repeat: Annotated[int, Field(strict=True, ge=0, le=100), ALSO_VARIABLE] = 0
    """How many more rounds after the first."""


class Escalation(Strict):
    """One policy per severity; `default` for the severities that are not named."""

    tell: Annotated[tuple[Reach, ...], Field(max_length=50)] = ()
    """Told, not rung."""
    critical: Policy | None = None
    high: Policy | None = None
    medium: Policy | None = None
    low: Policy | None = None
    default: Policy | None = None

    def policy(self, severity: Severity) -> Policy | None:
        """Return the policy that is meant for a severity: its own, else the default."""
        own: Policy | None = getattr(self, severity.value)
        return own or self.default


class Smtp(Strict):
    """A mail server that takes our mail."""

    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:_-]{1,253}$")]
    port: Annotated[int, Field(strict=True, ge=1, le=65535), ALSO_VARIABLE] = 587
    from_: Annotated[Email, Field(alias="from")]
    username: SecretRef | None = None
    password: SecretRef | None = None
    starttls: Flag | None = None
    """Required unless `false`; the default is true, but for a server on this very machine."""

    @model_validator(mode="after")
    def _whole_login(self) -> "Smtp":
        if (self.username is None) != (self.password is None):
            raise ValueError("has half a login: give both username and password, or neither")
        return self

    @property
    def uses_starttls(self) -> bool:
        """The setting with its default filled in."""
        return not _is_this_machine(self.host) if self.starttls is None else self.starttls


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class EmailChannel(Strict):
    """E-mail by SMTP."""

    smtp: Smtp


class Twilio(Strict):
    """An account at Twilio, or at something that speaks its API (`api_url`)."""

    account: SecretRef
    token: SecretRef
    from_: Annotated[str, Field(alias="from", pattern=r"^(\+[1-9][0-9]{6,14}|MG[0-9a-f]{32}|[A-Za-z0-9 ]{1,11})$")]
    """A number, a messaging service, or a sender's name."""
    api_url: Url = "https://api.twilio.com"


class SmsChannel(Strict):
    """Text messages."""

    twilio: Twilio


class Slack(Strict):
    """An incoming webhook of Slack; its address is a secret."""

    webhook: SecretRef


class ChatChannel(Strict):
    """Team chat."""

    slack: Slack


class WebhookChannel(Strict):
    """A system of yours that takes our events, signed with `secret` (HMAC-SHA256)."""

    url: UrlRef
    secret: SecretRef


class Channels(Strict):
    """Per kind a list: the second one stands in when the first is ill."""

    email: Annotated[tuple[EmailChannel, ...], Field(max_length=10)] = ()
    sms: Annotated[tuple[SmsChannel, ...], Field(max_length=10)] = ()
    chat: Annotated[tuple[ChatChannel, ...], Field(max_length=10)] = ()
    webhook: Annotated[tuple[WebhookChannel, ...], Field(max_length=10)] = ()

    def has(self, kind: ChannelKind) -> bool:
        """Whether anything of this kind is configured."""
        return bool(getattr(self, kind.value))


People = dict[Annotated[PersonId, Field(pattern=ID_PATTERN)], Person]
Escalations = dict[Id, Escalation]
