"""Whether an acknowledge link is still to be pressed: asked of whoever wrote it, with a HEAD that changes nothing."""

import asyncio
from collections.abc import Iterable
from typing import Final

import httpx

_STATE: Final = "hypercare-page"
_ANSWERS_WITHIN_S: Final = 1.0
_ASKED_AT_ONCE: Final = 20


class LinkStates:
    """Remembers what is over for good; asks for the rest each time the inbox is drawn."""

    def __init__(self, ask_at: str | None) -> None:
        """`ask_at`: another server than the one a link names, where that one cannot be reached from here."""
        self._ask_at = None if ask_at is None else httpx.URL(ask_at)
        self._client = httpx.AsyncClient(timeout=_ANSWERS_WITHIN_S, trust_env=False)
        self._over: dict[str, str] = {}

    async def over(self, links: Iterable[str]) -> dict[str, str]:
        """Those that nobody needs to press any more, and why (`acknowledged`, `stopped`, …), as far as can be known."""
        open_ones = [link for link in dict.fromkeys(links) if link not in self._over]
        await asyncio.gather(*(self._ask(link) for link in open_ones[-_ASKED_AT_ONCE:]))
        return self._over

    async def _ask(self, link: str) -> None:
        there = self._ask_at
        try:
            url = httpx.URL(link)
            if there is not None:
                url = url.copy_with(scheme=there.scheme, host=there.host, port=there.port)
            state = (await self._client.head(url)).headers.get(_STATE, "open")
        except (httpx.HTTPError, httpx.InvalidURL):
            return  # nobody answers there: what a person could press stays on offer
        if state != "open":
            self._over[link] = state

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()
