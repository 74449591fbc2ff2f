"""What the prober needs from outside, in its own words."""

from collections.abc import Mapping
from typing import Protocol

from services.prober.domain.look import Answer, Fault, Request
from shared.contracts import Sample
from shared.kit.bus import Stored
from shared.values import Partition


class Web(Protocol):
    """Asks a target."""

    async def ask(self, request: Request) -> Answer | Fault:
        """Ask once, within the request's time-out. Never raises for what the target does."""
        ...


class Sink(Protocol):
    """Takes samples on their way to the bus."""

    def add(self, partition: Partition, sample: Sample) -> None:
        """Hand a sample over; it leaves by itself."""
        ...


class Storing(Protocol):
    """Stores one message on the bus."""

    async def publish_raw(
        self, subject: str, data: bytes, headers: Mapping[str, str], *, give_up_s: float = 30.0
    ) -> Stored:
        """Return when it is on disk. Raises Transient after `give_up_s`; the same headers store nothing twice."""
        ...
