"""Who looks at the page: a token in a cookie, checked like every other token."""

from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from services.console.settings import Settings
from shared.kit.clock import Clock
from shared.kit.errors import Transient
from shared.kit.tokens import Identity, Tokens, hash_of

COOKIE_AGE_S: Final = 30 * 24 * 3600
REMEMBERED_S: Final = 15 * 60.0
REMEMBERED: Final = 1000


@dataclass(frozen=True)
class Visitor:
    """Somebody with a valid token."""

    who: Identity
    token: str


class Visitors:
    """Looks tokens up.

    While the bus is away, whoever was here in the last quarter of an hour may go on looking: an outage is when the page
    is needed most, and what they do is checked by the incidents service again.
    """

    def __init__(self, tokens: Tokens, clock: Clock) -> None:
        self._tokens = tokens
        self._clock = clock
        self._remembered: dict[str, tuple[float, Identity]] = {}

    async def identify(self, token: str, *, is_deaf: bool) -> Identity | None:
        """Who this token is, or None. Raises Transient when the bus is away and we do not remember."""
        known = self._recent(token)
        if is_deaf and known:
            return known
        try:
            who = await self._tokens.identify(token)
        except Transient:
            if known:
                return known
            raise
        self._remember(token, who)
        return who

    def _recent(self, token: str) -> Identity | None:
        at, who = self._remembered.get(hash_of(token), (0.0, None))
        return who if who and self._clock.monotonic() - at < REMEMBERED_S else None

    def _remember(self, token: str, who: Identity | None) -> None:
        self._remembered.pop(hash_of(token), None)
        if who is None:
            return
        if len(self._remembered) >= REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[hash_of(token)] = (self._clock.monotonic(), who)


def cookie_name(request: Request) -> str:
    """Cookies know hosts, not ports: two consoles on one laptop must not log each other out."""
    port = request.headers.get("host", "").rpartition(":")[2]
    return f"hypercare_{port}" if port.isdecimal() and port.isascii() else "hypercare"


def token_of(request: Request) -> str | None:
    """The token this browser carries."""
    return request.cookies.get(cookie_name(request)) or None


def let_in(request: Request, response: Response, token: str, settings: Settings) -> None:
    """Give the browser the cookie: not readable by scripts, never sent from another site."""
    response.set_cookie(
        cookie_name(request), token, max_age=COOKIE_AGE_S, httponly=True, samesite="strict",
        secure=settings.console_secure_cookie,
    )  # fmt: skip


def let_out(request: Request, response: Response) -> None:
    """Take the cookie back."""
    response.delete_cookie(cookie_name(request), httponly=True, samesite="strict")


def is_from_here(request: Request, settings: Settings) -> bool:
    """Whether a POST comes from a page of ours: the browser says so, and a page cannot lie about it.

    `Sec-Fetch-Site` where the browser sends it (TLS and localhost), else `Origin` against the address asked for.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin", "")
    if settings.console_origin is not None and origin == settings.console_origin:
        return True
    return bool(origin) and origin.partition("://")[2] == request.headers.get("host")


def safe_next(wanted: str | None) -> str:
    """Where to go after the login: a path of ours, never another site."""
    # Browsers drop tabs and line ends from an address: "/<tab>/elsewhere" is "//elsewhere" to them.
    if wanted and wanted.isprintable() and wanted.startswith("/") and not wanted.startswith(("//", "/\\")):
        return wanted
    return "/"
