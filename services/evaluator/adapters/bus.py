"""The evaluator's words on the bus, and configuration by digest."""

import asyncio

from nats.js import JetStreamContext

from services.evaluator.compile import compile_plan
from services.evaluator.domain.plan import PartitionPlan
from shared.config import EvaluatorSlice
from shared.contracts import Message
from shared.kit.bus import Publisher
from shared.kit.errors import Transient
from shared.kit.logging import get_logger
from shared.kit.revisions import fetch_slice
from shared.values import Partition

log = get_logger()


class BusSpeaker:
    """Publishes under the message's own id for as long as it takes: said twice is stored once."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def say(self, message: Message) -> None:
        """Return when the bus has stored it."""
        while True:
            try:
                await self._publisher.publish(message)
            except Transient as error:
                log.warning("verdict_delayed", type=message.ce_type, reason=error.reason)
                await asyncio.sleep(0.2)
            else:
                return


class StoredPlans:
    """Slices out of the object store, compiled once per digest, revision and partition."""

    def __init__(self, js: JetStreamContext) -> None:
        self._js = js
        self._slices: dict[str, EvaluatorSlice] = {}
        self._plans: dict[tuple[str, int, Partition], PartitionPlan] = {}

    async def plan(self, digest: str, revision: int, partition: Partition) -> PartitionPlan:
        """What a partition is judged by. Raises Transient until the object is there."""
        key = (digest, revision, partition)
        if key not in self._plans:
            if digest not in self._slices:
                self._slices[digest] = EvaluatorSlice.model_validate_json(
                    await fetch_slice(self._js, "evaluator", digest)
                )
            self._plans[key] = compile_plan(self._slices[digest], partition, revision)
        return self._plans[key]
