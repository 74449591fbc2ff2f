"""A mail server that keeps every mail and hands none on: RFC 5321 by aiosmtpd, with STARTTLS and AUTH where wanted."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Final

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from cli.drill.behaviour import Behaviour, Mode, Wire
from cli.drill.desk import Desk, ack_url_in
from cli.drill.store import Arrival, Channel, joined, marks_in
from shared.values import stable_id

_AT_RCPT: Final = frozenset({Mode.REJECT, Mode.THROTTLE})
_AT_DATA: Final = frozenset({Mode.FAIL, Mode.DELAY, Mode.DROP, Mode.LIE})
_MAX_MAIL_BYTES: Final = 5_000_000


@dataclass(frozen=True)
class Login:
    """The only user and password the mail server takes."""

    user: str
    password: str


@dataclass(frozen=True)
class SmtpOptions:
    """tls: offer STARTTLS with this certificate. login: ask for it; None takes mail without, and any login offered."""

    tls: ssl.SSLContext | None = None
    login: Login | None = None


class MailServer:
    """Listens on one socket until it is stopped."""

    def __init__(self, desk: Desk, options: SmtpOptions) -> None:
        self._handler, self._options = _Handler(desk, asks_login=options.login is not None), options
        self._open: set[_Conversation] = set()
        self._listener: asyncio.Server | None = None

    async def start(self, sock: socket.socket) -> None:
        """Take mail on this socket, which is ours from now on."""
        self._listener = await asyncio.get_running_loop().create_server(self._conversation, sock=sock)

    async def stop(self) -> None:
        """Close the socket, hang up on every client and wait for the conversations to end."""
        if self._listener is not None:
            self._listener.close()
        await asyncio.gather(*[conversation.hang_up() for conversation in list(self._open)])

    def _conversation(self) -> "_Conversation":
        return _Conversation(
            self._handler,
            ended=self._open.discard,
            began=self._open.add,
            data_size_limit=_MAX_MAIL_BYTES,
            enable_SMTPUTF8=True,
            hostname="drill.hypercare",
            ident="Hypercare drill sink",
            tls_context=self._options.tls,
            auth_require_tls=self._options.tls is not None,
            authenticator=_authenticator(self._options.login),
            loop=asyncio.get_running_loop(),
        )


class _Conversation(SMTP):
    """One connection; says when it begins and ends, so that stopping leaves nothing half open."""

    def __init__(
        self,
        handler: "_Handler",
        *,
        began: Callable[["_Conversation"], None],
        ended: Callable[["_Conversation"], None],
        **options: object,
    ) -> None:
        super().__init__(handler, **options)  # type: ignore[arg-type]  # aiosmtpd's own options, passed on as they are
        self._began, self._ended = began, ended

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._began(self)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._ended(self)

    async def hang_up(self) -> None:
        """Close the connection without a word and wait until its task has ended."""
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()
        if self._handler_coroutine is not None:
            # A conversation in the middle of a TLS handshake does not notice that its transport is gone.
            self._handler_coroutine.cancel()
            await asyncio.wait([self._handler_coroutine])


class _Handler:
    """aiosmtpd's hooks: a string is the reply."""

    def __init__(self, desk: Desk, *, asks_login: bool) -> None:
        self._desk, self._asks_login = desk, asks_login

    async def handle_MAIL(  # noqa: N802  # aiosmtpd looks hooks up by this name
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Begin a mail; here, and not by aiosmtpd's own switch, for that one warns where there is no TLS."""
        if self._asks_login and not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802  # aiosmtpd looks hooks up by this name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take or refuse one recipient; each is judged on its own."""
        behaviour = self._desk.behaviours.take(Wire.SMTP, _AT_RCPT)
        if behaviour.mode is not Mode.OK:
            self._desk.note(Wire.SMTP, address, behaviour.mode)
        if behaviour.mode is Mode.REJECT:
            return _reply(behaviour.number(550), "1.1 No such mailbox here")
        if behaviour.mode is Mode.THROTTLE:
            return _reply(behaviour.number(450), f"7.1 Too many messages, try again in {behaviour.retry_after_s} s")
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802  # aiosmtpd looks hooks up by this name
        self, server: "_Conversation", _session: Session, envelope: Envelope
    ) -> str:
        """Keep the mail once per recipient, then answer as told."""
        arrived_at = self._desk.clock.now()
        behaviour = self._desk.behaviours.take(Wire.SMTP, _AT_DATA)
        for recipient in envelope.rcpt_tos:
            self._desk.note(Wire.SMTP, recipient, behaviour.mode)
        if behaviour.mode is Mode.FAIL:
            return _reply(behaviour.number(451), "3.0 Local error, try again later")
        for arrival in self._arrivals(envelope, behaviour, arrived_at):
            self._desk.store.add(arrival)
        if behaviour.mode is Mode.DELAY:
            await asyncio.sleep(behaviour.late_s)
        if behaviour.mode in {Mode.DROP, Mode.LIE}:
            await _hang_up_after_final_dot(server)
        return "250 2.0.0 OK: kept"

    @staticmethod
    def _arrivals(envelope: Envelope, behaviour: Behaviour, at: datetime) -> list[Arrival]:
        raw = envelope.original_content or b""
        mail = message_from_bytes(raw, policy=policy.default)
        headers = joined((name, str(value)) for name, value in mail.items())
        text, message_id = _text(mail), mail["Message-ID"]
        named = str(message_id).strip() if message_id else None
        return [
            Arrival(
                **dict(marks_in(headers, "Hypercare-")),
                at=at,
                channel=Channel.EMAIL,
                to=recipient,
                sender=str(mail["From"] or envelope.mail_from or ""),
                subject=str(mail["Subject"] or ""),
                text=text,
                ack_url=ack_url_in(text),
                message_id=named,
                headers=headers,
                same_as=stable_id(recipient, named or raw.decode(errors="replace")),
                delivered=behaviour.mode is not Mode.LIE,
            )
            for recipient in envelope.rcpt_tos
        ]


def _reply(code: int, rest: str) -> str:
    """Return a reply whose enhanced code is of the same class, for clients believe that one first (RFC 3463)."""
    return f"{code} {code // 100}.{rest}"


async def _hang_up_after_final_dot(server: _Conversation) -> None:
    """Close the connection before the reply; the lost connection then cancels this conversation, here."""
    if isinstance(server.transport, asyncio.Transport):
        server.transport.abort()
    await asyncio.Event().wait()


def _text(mail: EmailMessage) -> str:
    """Return the mail's text for people: its plain part, else its HTML as written, else nothing."""
    body = mail.get_body(("plain", "html"))
    if body is None:
        return ""
    try:
        return str(body.get_content()).replace("\r\n", "\n").rstrip("\n")
    except (LookupError, UnicodeError):  # a charset nobody knows: show the bytes rather than refuse the mail
        payload = body.get_payload(decode=True)
        return payload.decode(errors="replace") if isinstance(payload, bytes) else str(payload)


def _authenticator(login: Login | None) -> Callable[..., AuthResult]:
    def check(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, offered: object) -> AuthResult:
        if login is None:
            return AuthResult(success=True)
        right = LoginPassword(login.user.encode(), login.password.encode())
        return AuthResult(success=offered == right, handled=False)

    return check
