"""The configuration slice as the handlers ask it: who is reached how, and by which providers."""

from dataclasses import dataclass

import httpx

from services.notifier.adapters.channels.chat import ChatChannel
from services.notifier.adapters.channels.email import EmailChannel
from services.notifier.adapters.channels.sms import SmsChannel
from services.notifier.adapters.channels.webhook import WebhookChannel
from services.notifier.domain.plan import Method
from services.notifier.ports import Channel
from shared.config import SecretRef
from shared.config.slice_models import NotifierSlice
from shared.contracts.pages import Addressee
from shared.kit.clock import Clock
from shared.kit.errors import Refused, Transient, Unusable
from shared.kit.settings import secret_value

_REPORT = frozenset({"sms"})
"""Kinds whose providers say later whether a message has arrived."""


@dataclass(frozen=True)
class _Current:
    config: NotifierSlice
    channels: dict[str, tuple[Channel, ...]]


class SliceDirectory:
    """The port `Directory` over the last good slice. Until one is taken, everything raises Transient."""

    def __init__(self, client: httpx.AsyncClient, clock: Clock, *, timeout_s: float = 8.0) -> None:
        self._client, self._clock, self._timeout_s = client, clock, timeout_s
        self._now: _Current | None = None

    def take(self, config: NotifierSlice) -> None:
        """Swap to this slice, all or nothing. Raises Refused, naming every secret that is missing here."""
        missing = []
        for reference in _secrets(config):
            try:
                secret_value(reference.text)
            except Unusable as error:
                missing.append(str(error))
        if missing:
            raise Refused("; ".join(missing))
        self._now = _Current(config, self._build(config))

    def _build(self, config: NotifierSlice) -> dict[str, tuple[Channel, ...]]:
        client, clock = self._client, self._clock
        return {
            "email": tuple(EmailChannel(one, clock, timeout_s=self._timeout_s) for one in config.email),
            "sms": tuple(SmsChannel(one, client, clock, config.public_url) for one in config.sms),
            "chat": tuple(ChatChannel(one, client, clock) for one in config.chat),
            "webhook": tuple(WebhookChannel(one, client, clock) for one in config.webhook),
        }

    @property
    def _current(self) -> _Current:
        if self._now is None:
            raise Transient("no configuration taken yet")
        return self._now

    @property
    def config(self) -> NotifierSlice:
        """The slice in use. Raises Transient before the first."""
        return self._current.config

    @property
    def public_url(self) -> str:
        """See the port."""
        return self._current.config.public_url

    def methods(self, addressee: Addressee) -> tuple[Method, ...]:
        """See the port."""
        return tuple(one for one in self._all_methods(addressee) if self.providers(one.channel))

    def _all_methods(self, addressee: Addressee) -> list[Method]:
        if addressee.person is None:
            kind = addressee.channel or ""
            return [Method(kind, addressee.target or "", kind in _REPORT)]
        person = self._current.config.people.get(addressee.person)
        reach = person.reach if person else ()
        return [Method(one.kind.value, one.address, one.kind.value in _REPORT) for one in reach]

    def why_no_methods(self, addressee: Addressee) -> str:
        """See the port."""
        if addressee.person is None:
            return f"no {addressee.channel} channel is configured"
        if addressee.person not in self._current.config.people:
            return f"{addressee.person} is not among the people of the configuration any more"
        kinds = sorted({one.channel for one in self._all_methods(addressee)})
        return f"{addressee.person} is reached by {', '.join(kinds)}, and no such channel is configured"

    def providers(self, kind: str) -> tuple[Channel, ...]:
        """See the port."""
        return self._current.channels.get(kind, ())

    def name_of(self, addressee: Addressee) -> str:
        """See the port."""
        person = self._current.config.people.get(addressee.person) if addressee.person else None
        return person.name if person else addressee.text

    def twilio_tokens(self) -> list[str]:
        """The tokens Twilio may have signed a callback with."""
        return [secret_value(one.token.text) for one in self._current.config.sms]


def _secrets(config: NotifierSlice) -> list[SecretRef]:
    """Every reference in the slice that has to lead to something on this machine."""
    found: list[SecretRef | None] = []
    for mail in config.email:
        found += [mail.username, mail.password]
    for sms in config.sms:
        found += [sms.account, sms.token]
    for target in config.webhook:
        found += [target.url, target.secret]
    found += [hook.webhook for hook in config.chat]
    return [one for one in found if one is not None and one.source != "literal"]
