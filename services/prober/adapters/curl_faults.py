"""libcurl's errors in our words: one stable code and one readable reason each."""

import errno
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import pycurl

from services.prober.adapters.curl_loop import Ended
from services.prober.domain.safe_text import safe_text

X509_EXPIRED: Final = 10
X509_NOT_YET_VALID: Final = 9
X509_OTHER_NAME: Final = frozenset({62, 64})
"""Host or address mismatch. Mostly libcurl finds it itself, and then only its words say so."""
X509_SELF_SIGNED: Final = 18
X509_NO_ISSUER: Final = frozenset({20, 21})
_OTHER_NAME_WORDS: Final = ("subject name", "obtain common name")
"""libcurl looks at names before it looks at trust: also of a certificate that names nobody, as self-made ones do."""
_NOT_TLS: Final = ("wrong version number", "packet length too long", "http request")
_NO_COMMON_VERSION: Final = ("protocol version", "unsupported protocol")

_CERTIFICATE: Final = frozenset({pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_CACERT})
_RESET: Final = {
    pycurl.E_GOT_NOTHING: "connection closed without an answer",
    pycurl.E_SEND_ERROR: "connection broke while asking",
    pycurl.E_RECV_ERROR: "connection broke while answering",
    pycurl.E_PARTIAL_FILE: "answer broke off before its end",
}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else is known of a transfer that went wrong."""

    url: str
    timeout_text: str
    os_errno: int
    verify_result: int
    resolved: bool
    connected: bool
    secured: bool
    """Whether TLS was established, or is not wanted."""
    answering: bool
    """Whether the first byte of the answer had come."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a server's own certificate says."""

    expires_at: datetime | None
    names: tuple[str, ...]
    issuer: str = ""


def address_of(url: str) -> str:
    """Host and port of a URL, for reasons: paths and queries may hold what nobody should read."""
    parts = urlsplit(url)
    host = parts.hostname or "?"
    return f"{f'[{host}]' if ':' in host else host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def is_certificate_fault(ended: Ended) -> bool:
    """Whether looking at the certificate would tell more."""
    return ended.code in _CERTIFICATE


_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
"""What the kernel says when this machine or process has none left: it tells nothing of the target."""
_NO_CONNECTION: Final = frozenset(
    {pycurl.E_COULDNT_CONNECT, pycurl.E_COULDNT_RESOLVE_HOST, pycurl.E_FAILED_INIT, pycurl.E_OUT_OF_MEMORY}
)


def own_fault(ended: Ended, os_errno: int) -> str | None:
    """Why this prober could not even begin to ask, or None.

    libcurl does not always pass on what the kernel said (no resolver's socket: "could not resolve"), so where nothing
    was reached we look ourselves whether there is a file descriptor left.
    """
    if ended.code not in _NO_CONNECTION:
        return None
    number = os_errno if os_errno in _EXHAUSTED else _lacking()
    return f"this prober has no room for a connection: {os.strerror(number)}" if number else None


def _lacking() -> int:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return error.errno if error.errno in _EXHAUSTED else 0
    return 0


def fault_of(ended: Ended, seen: Circumstances, certificate: Certificate | None) -> tuple[str, str]:
    """Return (code, reason)."""
    where = address_of(seen.url)
    match ended.code:
        case pycurl.E_OPERATION_TIMEDOUT:
            said = "timeout", f"{_unfinished(seen)} within {seen.timeout_text}"
        case pycurl.E_COULDNT_RESOLVE_HOST:
            said = "dns", f"name {where.rpartition(':')[0]} could not be resolved"
        case pycurl.E_COULDNT_CONNECT:
            said = _not_connected(where, seen.os_errno)
        case pycurl.E_SSL_CONNECT_ERROR:
            said = "tls", safe_text(f"TLS with {where} failed: {_handshake_words(ended.words)}")
        case code if code in _CERTIFICATE:
            said = _certificate_fault(ended, seen, certificate)
        case code if code in _RESET:
            said = "reset", f"{_RESET[code]} ({where})"
        case _:
            said = "other", safe_text(f"{ended.words or 'no answer'} ({where})")
    return said


def _unfinished(seen: Circumstances) -> str:
    if not seen.resolved:
        return "name not resolved"
    if not seen.connected:
        return "no connection"
    if not seen.secured:
        return "no TLS"
    return "answer not complete" if seen.answering else "no answer"


def _not_connected(where: str, number: int) -> tuple[str, str]:
    if number == errno.ECONNREFUSED:
        return "refused", f"connection refused by {where}"
    known = {
        errno.EHOSTUNREACH: "host cannot be reached",
        errno.ENETUNREACH: "network cannot be reached",
        errno.ECONNRESET: "connection was reset",
    }
    code = "reset" if number == errno.ECONNRESET else "unreachable" if number in known else "other"
    return code, f"{known.get(number, 'no connection')} ({where})"


def _handshake_words(words: str) -> str:
    """OpenSSL's words without its numbers: `TLS connect error: error:0A00010B:SSL routines::wrong version number`."""
    if any(part in words for part in _NOT_TLS):
        return "what answers there does not speak TLS"
    if any(part in words for part in _NO_COMMON_VERSION):
        return "no version of TLS in common"
    return words.rpartition("::")[2] or words


def _certificate_fault(ended: Ended, seen: Circumstances, certificate: Certificate | None) -> tuple[str, str]:
    host = urlsplit(seen.url).hostname or "?"
    expires_at = certificate.expires_at if certificate else None
    if seen.verify_result == X509_EXPIRED:
        # The server's own certificate may be good and an intermediate expired: then no date is named.
        return "tls-expired", f"certificate expired on {expires_at:%Y-%m-%d}" if expires_at else "certificate expired"
    if seen.verify_result == X509_NOT_YET_VALID:
        return "tls-untrusted", "certificate is not valid yet"
    is_for_others = any(part in ended.words for part in _OTHER_NAME_WORDS)
    if seen.verify_result in X509_OTHER_NAME or is_for_others:
        return "tls-name", safe_text(f"certificate is not for {host}{_whose(certificate)}")
    return "tls-untrusted", safe_text(f"certificate is not trusted: {_mistrust(ended, seen, certificate)}")


def _whose(certificate: Certificate | None) -> str:
    if certificate is None:
        return ""
    return f" but for {', '.join(certificate.names[:3])}" if certificate.names else ": it names no host"


def _mistrust(ended: Ended, seen: Circumstances, certificate: Certificate | None) -> str:
    if seen.verify_result == X509_SELF_SIGNED:
        return "it is self-signed"
    if seen.verify_result in X509_NO_ISSUER:
        issuer = f"its issuer {certificate.issuer}" if certificate and certificate.issuer else "its issuer"
        return f"{issuer} is unknown here, or the server leaves out an intermediate one"
    return re.sub(r" \(\d+\)$", "", ended.words.rpartition(": ")[2]) or "unknown issuer"


def read_certificate(fields: list[tuple[str, str]]) -> Certificate:
    """Read libcurl's certificate information."""
    said = dict(fields)
    names = [
        entry.strip().removeprefix("DNS:").removeprefix("IP Address:")
        for entry in said.get("X509v3 Subject Alternative Name", "").split(",")
        if entry.strip()
    ]
    names = names or _common_name(said.get("Subject", ""))
    issuer = next(iter(_common_name(said.get("Issuer", ""))), "")
    return Certificate(_date(said.get("Expire date", "")), tuple(safe_text(n, limit=60) for n in names), issuer)


def _common_name(holder: str) -> list[str]:
    """The CN of `C = DE, O = Shop, CN = shop.example.org`, if there is one."""
    return [safe_text(name, limit=60) for name in re.findall(r"(?:^|, )CN ?= ?([^,]+)", holder)[-1:]]


def _date(text: str) -> datetime | None:
    """Read `Nov 20 12:00:00 2026 GMT` (newer libcurl) or `2026-11-20 12:00:00 GMT` (older)."""
    for form in ("%b %d %H:%M:%S %Y GMT", "%Y-%m-%d %H:%M:%S GMT"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None
