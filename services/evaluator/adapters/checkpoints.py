"""Checkpoints as immutable objects behind one compare-and-set pointer per partition."""

import contextlib
import json
from dataclasses import asdict
from typing import Any, Final

from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError, ObjectNotFoundError

from services.evaluator.ports import Checkpoint, LostPartition, Position
from shared.contracts.streams import CHECKPOINT_POINTERS, CHECKPOINTS
from shared.kit.crash_points import reached
from shared.kit.errors import Transient
from shared.kit.ids import start_nonce
from shared.kit.objects import read_object
from shared.values import Partition

KEPT: Final = 2
FAULTS: Final = (NatsError, OSError, TimeoutError)


class JetStreamCheckpoints:
    """One partition's. A pointer is a JSON list of {object, position}, newest first."""

    def __init__(self, js: JetStreamContext, partition: Partition) -> None:
        self._js = js
        self._partition = partition
        self._last = 0
        """Revision of the pointer we know; 0: there was none."""
        self._entries: list[dict[str, Any]] = []

    async def load(self) -> list[Checkpoint]:
        """What the pointer names, as far as it is still there."""
        try:
            bucket = await self._js.key_value(CHECKPOINT_POINTERS.name)
            entry = await bucket.get(str(self._partition))
            self._last, self._entries = entry.revision or 0, json.loads(entry.value or b"[]")
            found = []
            for one in self._entries:
                with contextlib.suppress(ObjectNotFoundError):
                    state = await read_object(self._js, CHECKPOINTS, one["object"])
                    found.append(Checkpoint(Position(**one["position"]), state))
        except KeyNotFoundError:
            self._last, self._entries = 0, []
            return []
        except FAULTS as error:
            raise Transient(f"cannot load checkpoints: {error!r}") from error
        return found

    async def save(self, checkpoint: Checkpoint) -> None:
        """Store the object, then move the pointer, then drop what is older than the last two."""
        name = f"{self._partition}/{checkpoint.position.sequence}-{start_nonce()}"
        entries = [{"object": name, "position": asdict(checkpoint.position)}, *self._entries]
        try:
            store = await self._js.object_store(CHECKPOINTS.name)
            await store.put(name, checkpoint.state)
            reached("checkpoint.before")
            await self._move(json.dumps(entries[:KEPT]).encode())
            reached("checkpoint.after")
            self._entries = entries[:KEPT]
            for old in entries[KEPT:]:
                with contextlib.suppress(ObjectNotFoundError):
                    await store.delete(old["object"])
        except KeyWrongLastSequenceError as error:
            raise LostPartition(f"partition {self._partition} was checkpointed by somebody else") from error
        except FAULTS as error:
            raise Transient(f"cannot save a checkpoint: {error!r}") from error

    async def _move(self, value: bytes) -> None:
        bucket = await self._js.key_value(CHECKPOINT_POINTERS.name)
        key = str(self._partition)
        self._last = await (bucket.update(key, value, self._last) if self._last else bucket.create(key, value))
