"""The drill's sinks, in the event loop of the test: real sockets, real protocols, a folder of the test's own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cli.drill.behaviour import Behaviour, Mode, Wire
from cli.drill.desk import Attempt
from cli.drill.sinks import Addresses, Options, Running, running
from cli.drill.store import Received
from shared.kit.clock import SystemClock

_ARRIVES_WITHIN_S = 10.0


@dataclass(frozen=True)
class Sinks:
    """Where the sinks answer, and what they saw. Use async clients: the sinks share the test's event loop."""

    addresses: Addresses
    running: Running

    @property
    def smtp_port(self) -> int:
        return self.addresses.smtp_port

    @property
    def http_url(self) -> str:
        return self.addresses.http_url

    def received(self, *, undelivered: bool = False) -> list[Received]:
        """What arrived, oldest first; with `undelivered` also what a lying sink accepted and lost."""
        return self.running.desk.store.since(undelivered=undelivered)

    def attempts(self) -> list[Attempt]:
        """Every message offered, refused ones too."""
        return list(self.running.desk.attempts)

    def behave(
        self,
        wire: str,
        mode: str,
        *,
        times: int | None = None,
        delay_s: float | None = None,
        code: int | str | None = None,
    ) -> None:
        """Tell `smtp`, `twilio`, `slack` or `webhook` what to do with the next messages."""
        told = Behaviour(mode=Mode(mode), times=times, delay_s=delay_s, code=code)
        self.running.desk.behaviours.tell(Wire(wire), told)

    async def at_least(self, count: int, timeout_s: float = _ARRIVES_WITHIN_S) -> list[Received]:
        """Wait until so many have arrived (undelivered ones count too); raise TimeoutError after the deadline."""
        async with asyncio.timeout(timeout_s):
            await self.running.desk.store.more_than(count - 1)
        return self.received(undelivered=True)


@asynccontextmanager
async def running_sinks(folder: Path, options: Options | None = None) -> AsyncIterator[Sinks]:
    """Run all sinks on free ports with their data in this folder; entering the same folder again finds it as it was."""
    chosen = replace(options, data=folder) if options else Options(data=folder)
    async with running(chosen, SystemClock()) as sinks:
        yield Sinks(sinks.addresses, sinks)
