"""A browser without a script: cookies, forms, and the stream read line by line."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx

from tests.component.console.world import RESPONDER

SAME = {"sec-fetch-site": "same-origin"}


@contextlib.asynccontextmanager
async def visiting(url: str, token: str | None = RESPONDER) -> AsyncIterator[httpx.AsyncClient]:
    """A client that is logged in (or, without a token, is not)."""
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=10, headers={"accept": "text/html"}) as client:
        if token is not None:
            answer = await client.post("/login", data={"token": token}, headers=SAME)
            assert answer.status_code == 303, answer.text
        yield client


async def until(is_true: Callable[[], Awaitable[bool]], what: str, limit_s: float = 15.0) -> None:
    """Wait until a condition holds."""
    try:
        async with asyncio.timeout(limit_s):
            while not await is_true():  # the console is asked over HTTP
                await asyncio.sleep(0.03)
    except TimeoutError:
        raise AssertionError(f"never: {what}") from None


async def page_says(client: httpx.AsyncClient, words: str, path: str = "/") -> str:
    """Wait until the page holds these words; returns it."""
    text = ""

    async def holds() -> bool:
        nonlocal text
        text = (await client.get(path)).text
        return words in text

    await until(holds, f"{words!r} on {path}")
    return text
