"""E-mail by SMTP (RFC 5321): one connection, one mail, one recipient, and what the server's words mean."""

import re
import socket
import ssl
from email.charset import QP, Charset
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime, formataddr
from html import escape
from typing import Final

import aiosmtplib

from services.notifier.domain.outcomes import (
    Accepted,
    PermanentFailure,
    SendResult,
    TransientFailure,
    Unknown,
)
from services.notifier.domain.wording import Outgoing, headline, plain_text
from shared.config.slice_models import SmtpAccount
from shared.kit.clock import Clock
from shared.kit.crash_points import reached
from shared.kit.settings import secret_value

WIRE: Final = compat32.clone(linesep="\r\n")
_READABLE: Final = Charset("utf-8")
_READABLE.body_encoding = QP  # instead of base64, which people's filters and eyes like less
_IMPLICIT_TLS: Final = 465
_ENHANCED: Final = re.compile(r"^\s*([245])\.(\d{1,3})\.(\d{1,3})\b")
_OURS: Final = frozenset({530, 534, 535, 538})
"""Replies about our credentials: an alarm for the admin, not the fault of the recipient."""


class EmailChannel:
    """One mail server. It reports nothing later: bounces are mails of their own, which this version does not read."""

    def __init__(
        self, account: SmtpAccount, clock: Clock, *, timeout_s: float = 8.0, tls: ssl.SSLContext | None = None
    ) -> None:
        """Keep the account; `tls` is another trust than the system's, for tests and private authorities."""
        self._account = account
        self._clock = clock
        self._timeout_s = timeout_s
        self._tls = tls
        self._our_name = socket.gethostname()  # aiosmtplib would ask the DNS for it, blocking the loop

    @property
    def name(self) -> str:
        """Names the account."""
        return self._account.name

    async def send(self, message: Outgoing) -> SendResult:
        """Hand one mail over; a repeated one has the same Message-ID, so that mailboxes can tell."""
        mail = write_mail(message, self._account.sender, format_datetime(self._clock.now()))
        client = aiosmtplib.SMTP(
            hostname=self._account.host,
            port=self._account.port,
            timeout=self._timeout_s,
            local_hostname=self._our_name,
            use_tls=self._account.port == _IMPLICIT_TLS,
            start_tls=False,
            tls_context=self._tls,
        )
        try:
            refusal = await self._greet(client) or await self._envelope(client, message.address)
            return refusal or await self._data(client, mail)
        finally:
            client.close()

    async def _greet(self, client: aiosmtplib.SMTP) -> SendResult | None:
        """Connect, secure, log in; nothing can have been sent when this fails."""
        account = self._account
        try:
            await client.connect()
            if account.starttls and account.port != _IMPLICIT_TLS:
                await client.starttls()
            if account.username is not None and account.password is not None:
                await client.login(secret_value(account.username.text), secret_value(account.password.text))
        except aiosmtplib.SMTPResponseException as error:
            return judge(error.code, error.message, about_us=True)
        except (aiosmtplib.SMTPException, OSError) as error:
            return _cannot_begin(error, f"{account.host}:{account.port}", is_connected=client.is_connected)
        return None

    async def _envelope(self, client: aiosmtplib.SMTP, recipient: str) -> SendResult | None:
        try:
            await client.mail(self._account.sender)
        except aiosmtplib.SMTPResponseException as error:
            return judge(error.code, error.message, about_us=True)
        except (aiosmtplib.SMTPException, OSError) as error:
            return TransientFailure(f"before the mail: {error}")
        try:
            await client.rcpt(recipient)
        except aiosmtplib.SMTPResponseException as error:
            return judge(error.code, error.message)
        except (aiosmtplib.SMTPException, OSError) as error:
            return TransientFailure(f"before the mail: {error}")
        return None

    @staticmethod
    async def _data(client: aiosmtplib.SMTP, mail: bytes) -> SendResult:
        reached("send.during")
        try:
            answer = await client.data(mail)
        except aiosmtplib.SMTPResponseException as error:
            return judge(error.code, error.message)
        except (aiosmtplib.SMTPException, OSError) as error:
            return Unknown(f"connection lost after the mail: {error}")
        return Accepted(answer.message[:200])


def _cannot_begin(error: Exception, where: str, *, is_connected: bool) -> SendResult:
    """Say what ended a conversation before it had begun; nothing was sent.

    A server that lives and lacks what we insist on (STARTTLS, a way to log in, a certificate we can trust) is a
    mistake of ours; one that is away or silent may be back in a moment.
    """
    said = f"{where}: {error}"
    if isinstance(error.__cause__ or error, ssl.SSLCertVerificationError):
        return PermanentFailure(said, "us")
    is_away = isinstance(error, OSError | aiosmtplib.SMTPTimeoutError | aiosmtplib.SMTPConnectError)
    return TransientFailure(said) if is_away or not is_connected else PermanentFailure(said, "us")


def judge(code: int, words: str, *, about_us: bool = False) -> SendResult:
    """Say what a refusal means. `about_us`: it came before there was a recipient.

    An enhanced code (RFC 3463) wins over the basic one. A full mailbox (x.2.2) deserves a later try even when the
    server calls it permanent.
    """
    said = f"{code} {' '.join(words.split())}"[:300]
    if code in _OURS:
        return PermanentFailure(said, "us")
    enhanced = _ENHANCED.match(words)
    if enhanced and (enhanced[2], enhanced[3]) == ("2", "2"):
        return TransientFailure(said)
    kind = enhanced[1] if enhanced and enhanced[1] != "2" else str(code)[:1]
    if kind == "5":
        return PermanentFailure(said, "us" if about_us or (enhanced and enhanced[2] == "7") else "recipient")
    return TransientFailure(said)


def write_mail(message: Outgoing, sender: str, date: str) -> bytes:
    """Return the mail as it goes over the wire: plain text, the same as HTML, and headers that programs can read.

    The older half of the email package, on purpose: the newer one parses every header it is given, 3 ms a mail.
    """
    domain = sender.rpartition("@")[2]
    thread = f"<incident.{message.incident}@{domain}>"
    headers = {
        "From": sender,
        "To": formataddr((_one_line(message.person_name), message.address)),
        "Subject": headline(message)[:200],
        "Date": date,
        "Message-ID": f"<{message.delivery}@{domain}>",
        "In-Reply-To": thread,
        "References": thread,
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "Hypercare-Page": message.page,
        "Hypercare-Incident": message.incident_name,
        "Hypercare-Kind": message.kind,
        "Hypercare-Person": message.person,
        "Hypercare-Rung": str(message.rung),
    }
    if message.kind == "page":
        headers["Importance"] = "high"
    mail = MIMEMultipart("alternative")
    for name, value in headers.items():
        mail[name] = _header(value)  # type: ignore[assignment]  # typeshed knows only text; the package takes a Header
    for text, kind in ((plain_text(message), "plain"), (_html(message), "html")):
        mail.attach(MIMEText(text, kind, _READABLE))  # type: ignore[arg-type]  # typeshed knows only names of charsets
    return mail.as_bytes(policy=WIRE)


def _header(value: str) -> str | Header:
    """Return a value that stays one header whatever is in it, encoded where it has to be."""
    line = _one_line(value)
    return line if line.isascii() else Header(line, "utf-8")


def _one_line(value: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in value).split())


def _html(message: Outgoing) -> str:
    lines = "".join(f"<p style='margin:0 0 8px'>{escape(line)}</p>" for line in message.lines)
    foot = f"Incident {escape(message.incident_name)}"
    if message.runbook:
        foot += f" · <a href='{escape(message.runbook)}'>runbook</a>"
    button = ""
    if message.ack_url:
        button = (
            f"<p style='margin:24px 0'><a href='{escape(message.ack_url)}' style='background:#0b5fff;color:#fff;"
            "padding:12px 22px;border-radius:8px;text-decoration:none;font-weight:600'>Acknowledge</a></p>"
        )
    return (
        "<!doctype html><html><body style='font:16px/1.5 system-ui,sans-serif;max-width:560px;margin:24px auto;"
        f"padding:0 16px'><h1 style='font-size:20px;margin:0 0 12px'>{escape(headline(message))}</h1>{lines}{button}"
        f"<p style='color:#667;font-size:14px'>{foot}</p></body></html>"
    )
