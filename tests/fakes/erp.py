"""The example ERP, in the event loop of the test, on free ports."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from examples.erp.app import running


@dataclass(frozen=True)
class Erp:
    """A target that can be broken. Use async clients: it shares the test's event loop."""

    url: str
    admin_url: str

    async def set_mode(self, mode: str, delay_ms: int | None = None) -> None:
        """Make it `healthy`, `slow`, `errors`, `hang` or `refuse`; the change has taken effect on return."""
        wanted: dict[str, str | int] = {"mode": mode}
        if delay_ms is not None:
            wanted["delay_ms"] = delay_ms
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.put(f"{self.admin_url}/switch", json=wanted)
            answer.raise_for_status()


@asynccontextmanager
async def running_erp() -> AsyncIterator[Erp]:
    """Run the example ERP, healthy at first."""
    async with running("127.0.0.1", 0) as erp:
        yield Erp(erp.url, erp.admin_url)
