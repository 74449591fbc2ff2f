"""One request and its answer as libcurl hands them over: what was received, and how long each phase took."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import pycurl

from services.prober.adapters.curl_loop import Ended

BODY_LIMIT: Final = 1024 * 1024
"""Bytes of an answer that are read; a longer one is a fault: a check is no download."""
HEADER_LIMIT: Final = 64 * 1024


@dataclass
class Received:
    """What has come of an answer so far."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    header_bytes: int = 0
    is_too_large: bool = False

    def on_header(self, line: bytes) -> int | None:
        """One header line, as libcurl calls it; -1 ends the transfer."""
        self.header_bytes += len(line)
        if self.header_bytes > HEADER_LIMIT:
            self.is_too_large = True
            return -1
        if line.startswith(b"HTTP/"):  # an interim answer (100, 103) was before this one
            self.headers.clear()
            return None
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            name, value = name.strip().lower(), value.strip()
            self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value
        return None

    def on_body(self, chunk: bytes) -> int | None:
        """A piece of the body, as libcurl calls it; -1 ends the transfer."""
        if len(self.body) + len(chunk) > BODY_LIMIT:
            self.is_too_large = True
            return -1
        self.body += chunk
        return None


@dataclass(frozen=True, slots=True)
class Hop:
    """One request and its answer, or its end."""

    ended: Ended
    received: Received
    status: int
    redirect_url: str | None
    times: "Times"
    os_errno: int
    verify_result: int


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds, each phase its own share."""

    dns: float = 0.0
    connect: float = 0.0
    tls: float = 0.0
    ttfb: float = 0.0
    transfer: float = 0.0
    total: float = 0.0

    def plus(self, other: "Times") -> "Times":
        """Both hops together, phase by phase."""
        return Times(*(getattr(self, name) + getattr(other, name) for name in Times.__slots__))

    def phases(self) -> dict[str, float]:
        """Seconds by phase, without the total."""
        return {name: round(getattr(self, name), 6) for name in Times.__slots__ if name != "total"}


def read_times(getinfo: Callable[[int], int], *, is_answered: bool) -> Times:
    """Read libcurl's times: microseconds from the start of the transfer to each phase's end; 0 = not reached.

    It also fills in the first byte's time when none ever came: hence `is_answered`.
    """
    named = getinfo(pycurl.NAMELOOKUP_TIME_T)
    connected = getinfo(pycurl.CONNECT_TIME_T)
    secured = getinfo(pycurl.APPCONNECT_TIME_T)
    first_byte = getinfo(pycurl.STARTTRANSFER_TIME_T) if is_answered else 0
    total = getinfo(pycurl.TOTAL_TIME_T)
    ready = max(named, connected, secured)
    return Times(
        dns=named / 1e6,
        connect=max(0, connected - named) / 1e6,
        tls=max(0, secured - connected) / 1e6 if secured else 0.0,
        ttfb=max(0, first_byte - ready) / 1e6 if first_byte else 0.0,
        transfer=max(0, total - first_byte) / 1e6 if first_byte else 0.0,
        total=total / 1e6,
    )
