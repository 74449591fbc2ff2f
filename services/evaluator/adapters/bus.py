"""The evaluator's words on the bus, and configuration by digest."""

import asyncio
import secrets
from typing import Final

from nats.js import JetStreamContext
from pydantic import ValidationError

from services.evaluator.compile import compile_plan
from services.evaluator.domain.plan import PartitionPlan
from shared.config import EvaluatorSlice
from shared.contracts import ConfigApplied, Message, Tick
from shared.kit.bus import Publisher
from shared.kit.errors import Transient
from shared.kit.logging import get_logger
from shared.kit.revisions import fetch_slice
from shared.values import Partition

log = get_logger()

KEPT: Final = 4
"""Slices in memory: the current one, and those that a log being caught up with may still name."""


class BusSpeaker:
    """Publishes under the message's own id for as long as it takes: said twice is stored once.

    But for the log's control records, whose ids end in a secret of this start: probers write to the same stream, and
    whoever guesses an id can say something else under it first, so that the bus drops ours as said before. Two owners'
    ticks and markers are then two, which changes nothing.
    """

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._secret = secrets.token_hex(16)

    async def say(self, message: Message) -> None:
        """Return when the bus has stored it."""
        ending = f".{self._secret}" if isinstance(message, Tick | ConfigApplied) else ""
        while True:
            try:
                await self._publisher.publish(message, id_ends_in=ending)
            except Transient as error:
                log.warning("verdict_delayed", type=message.ce_type, reason=error.reason)
                await asyncio.sleep(0.2)
            else:
                return


class StoredPlans:
    """Slices out of the object store; the last few are kept, since every partition asks for the same one."""

    def __init__(self, js: JetStreamContext) -> None:
        self._js = js
        self._slices: dict[str, EvaluatorSlice] = {}
        self._fetching = asyncio.Lock()

    async def plan(self, digest: str, revision: int, partition: Partition) -> PartitionPlan:
        """What a partition is judged by.

        Raises Transient until the object is there, and while this version cannot read it: the log must not be judged
        by anything else, so that its owner waits, saying so, for a newer one to take over.
        """
        async with self._fetching:
            if digest not in self._slices:
                data = await fetch_slice(self._js, "evaluator", digest)
                self._slices[digest] = _read(data, revision)
                for old in list(self._slices)[:-KEPT]:
                    del self._slices[old]
        try:
            return compile_plan(self._slices[digest], partition, revision)
        except ValueError as error:
            raise Transient(f"revision {revision} cannot be evaluated: {error}") from error


def _read(data: bytes, revision: int) -> EvaluatorSlice:
    try:
        return EvaluatorSlice.model_validate_json(data)
    except ValidationError as error:
        raise Transient(f"revision {revision} cannot be read: {error}") from error
