"""What HTTP says about a message, the same for every provider that is reached by it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import httpx

from services.notifier.domain.outcomes import PermanentFailure, SendResult, TransientFailure, Unknown
from shared.kit.crash_points import reached

RETRYABLE: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})

_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)

BROKEN: Final = (httpx.HTTPError, httpx.InvalidURL)
"""What a request can raise."""


def build_client(timeout_s: float) -> httpx.AsyncClient:
    """Make the client all HTTP channels share.

    Each message has a connection of its own: a kept one that the other side has closed meanwhile would end in
    `unknown`, and `unknown` doubles pages. Proxies of the environment are not used: an address must mean what it says.
    """
    return httpx.AsyncClient(
        timeout=httpx.Timeout(timeout_s, connect=min(3.0, timeout_s)),
        limits=httpx.Limits(max_keepalive_connections=0, max_connections=None),
        follow_redirects=False,
        trust_env=False,
    )


async def post(client: httpx.AsyncClient, url: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
    """POST a body. Raises httpx's errors; `failed` says what they mean."""
    named = {**headers, "content-length": str(len(body)), "user-agent": "hypercare"}
    return await client.post(url, content=_body(body), headers=named)


async def _body(body: bytes) -> AsyncIterator[bytes]:
    yield body
    reached("send.during")  # the whole body is on its way, the answer is not here


def failed(error: httpx.HTTPError | httpx.InvalidURL) -> SendResult:
    """Say what a broken request means: nothing was sent, or we cannot know."""
    if isinstance(error, httpx.InvalidURL):  # its words would quote the address, which may be a secret
        return PermanentFailure("the channel's address is no address that can be asked", "us")
    what = f"{type(error).__name__}: {error}".rstrip(": ")
    return TransientFailure(what) if isinstance(error, _NOT_SENT) else Unknown(what)


def refused(answer: httpx.Response, what: str, now: datetime) -> SendResult:
    """Say what a status that is no success means: 408, 425, 429 and 5xx pass, redirects and the other 4xx do not."""
    said = f"HTTP {answer.status_code}: {what}".rstrip(": ")
    if answer.status_code in RETRYABLE or answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return TransientFailure(said, retry_after(answer.headers.get("retry-after"), now))
    return PermanentFailure(said, "us")


def retry_after(header: str | None, now: datetime) -> timedelta | None:
    """Read Retry-After: seconds or a date; None where it is missing, unreadable or past."""
    if not header:
        return None
    text = header.strip()
    if text.isdecimal():
        return timedelta(seconds=int(text[:9]))
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    wait = (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
    return wait if wait > timedelta() else None
