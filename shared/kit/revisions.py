"""How a configuration reaches the services (ADR 0006).

`apply` stores each service's slice in an object store of its own under its digest, moves one pointer in the bucket
`config`, and waits until every running replica has answered *taken* or *refused, because*. A replica looks at the
pointer once a second, swaps all or nothing, and keeps its last good slice.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError, NotFoundError, ObjectNotFoundError
from pydantic import TypeAdapter, ValidationError

from shared.contracts.streams import CONFIG, REVISIONS
from shared.kit.errors import Refused, Transient
from shared.kit.logging import get_logger
from shared.kit.metrics import CONFIG_REVISION
from shared.kit.objects import read_object

log = get_logger()

POINTER: Final = "current"
LOOK_EVERY_S: Final = 0.5
LONGEST_REASON: Final = 8_000
"""Characters of a refusal that are kept: a value in a bucket has its limit."""

BUS_FAULTS: Final = (NatsError, OSError, TimeoutError)


@dataclass(frozen=True)
class Pointer:
    """Which revision is current, and the digest of each slice in it."""

    revision: int
    digests: dict[str, str]
    applied_at: str = ""
    applied_by: str = ""

    def to_json(self) -> bytes:
        """As stored."""
        return json.dumps(self.__dict__, sort_keys=True).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "Pointer":
        """As read; unknown fields are ignored."""
        fields = json.loads(data)
        return cls(**{name: fields[name] for name in cls.__dataclass_fields__ if name in fields})


@dataclass(frozen=True)
class Answer:
    """What one replica made of a revision."""

    service: str
    instance: str
    revision: int
    taken: bool
    because: str = ""
    works_by: int = 0
    """The revision it works by, older than `revision` when that was refused; 0 = none."""
    digest: str = ""
    """Of its slice of that revision: what it goes back to when it is started anew."""

    @classmethod
    def from_json(cls, data: bytes) -> "Answer | None":
        """As read: unknown fields are ignored; None for what is no answer, which must not hide the others."""
        try:
            return _ANSWER.validate_json(data)
        except ValidationError:
            return None


_ANSWER: Final = TypeAdapter(Answer)


async def read_pointer(js: JetStreamContext) -> Pointer | None:
    """The current pointer, or None before the first apply. Raises Transient."""
    try:
        bucket = await js.key_value(CONFIG.name)
        entry = await bucket.get(POINTER)
    except KeyNotFoundError:
        return None
    except BUS_FAULTS as error:
        raise Transient(f"cannot read the configuration pointer: {error!r}") from error
    return Pointer.from_json(entry.value or b"{}")


async def fetch_slice(js: JetStreamContext, name: str, digest: str) -> bytes:
    """One slice by its digest. Raises Transient when the bus is away or the object has not arrived."""
    try:
        return await read_object(js, REVISIONS[name], digest)
    except ObjectNotFoundError as error:
        raise Transient(f"slice {name} {digest[:12]} is not in the store") from error
    except BUS_FAULTS as error:
        raise Transient(f"cannot read slice {name}: {error!r}") from error


async def store_slice(js: JetStreamContext, name: str, digest: str, data: bytes) -> None:
    """Store one slice under its digest; storing it again changes nothing."""
    store = await js.object_store(REVISIONS[name].name)
    with contextlib.suppress(ObjectNotFoundError):
        await store.get_info(digest)
        return
    await store.put(digest, data)


async def move_pointer(js: JetStreamContext, digests: dict[str, str], *, at: str, by: str) -> Pointer:
    """Make these slices the current revision. Raises Refused when somebody else applied at the same time."""
    bucket = await js.key_value(CONFIG.name)
    try:
        entry = await bucket.get(POINTER)
        last, revision = entry.revision or 0, Pointer.from_json(entry.value or b"{}").revision
    except KeyNotFoundError:
        last, revision = 0, await _floor(js)
    pointer = Pointer(revision + 1, digests, at, by)
    try:
        if last:
            await bucket.update(POINTER, pointer.to_json(), last)
        else:
            await bucket.create(POINTER, pointer.to_json())
    except KeyWrongLastSequenceError as error:
        raise Refused(f"somebody else applied a configuration at the same time: {error}") from error
    except NatsError as error:
        raise Refused(f"the bus did not confirm it in the bucket {CONFIG.name}: {error}") from error
    return pointer


async def _floor(js: JetStreamContext) -> int:
    """What a revision is counted from where there is no pointer: 0, or above the one that was lost.

    Logs and replicas go on by that. Each revision took at least one message of the bucket, whose numbers never run
    back; and where the bucket is new, its replicas say by what they work (see Follower).
    """
    state = (await js.stream_info(CONFIG.stream)).state
    answers = await read_answers(js)
    return max(state.last_seq, *(max(one.revision, one.works_by) for one in answers)) if answers else state.last_seq


async def read_answers(js: JetStreamContext) -> list[Answer]:
    """Every replica's latest answer, also of replicas that are gone.

    Message after message up to what is there now: the client's own list of keys is empty once in a while, when its
    watcher has not looked at the first message yet.
    """
    answers, sequence = list[Answer | None](), 0
    last = (await js.stream_info(CONFIG.stream)).state.last_seq
    while sequence < last:
        try:
            found = await js.get_msg(CONFIG.stream, sequence + 1, subject=f"$KV.{CONFIG.name}.answers.>", next=True)
        except NotFoundError:
            break
        answers.append(Answer.from_json(found.data or b""))
        sequence = found.seq or last
    return [answer for answer in answers if answer is not None]


Take = Callable[[Pointer, bytes], Awaitable[None]]
"""Swap to this slice, all or nothing; raise Refused with the reason to keep the last good one."""


class Follower:
    """Keeps one replica on the current revision."""

    def __init__(self, js: JetStreamContext, service: str, instance: str, take: Take) -> None:
        self._js = js
        self._service = service
        self._instance = instance
        self._take = take
        self.current: Pointer | None = None
        self._refused: tuple[int, str] | None = None
        self._to_say: Answer | None = None
        self._is_lost_said = False

    @property
    def seen(self) -> int:
        """The newest revision that was taken or refused; 0 before the first."""
        return max(self.current.revision if self.current else 0, self._refused[0] if self._refused else 0)

    async def ready(self) -> str | None:
        """A readiness check: a replica without a configuration is alive and not ready.

        One that refused the newest does its work by the last good one and must be reachable: acknowledge links lead
        to it. `hypercare status` shows the refusal.
        """
        return "no configuration taken yet; run `hypercare apply`" if self.current is None else None

    async def follow_forever(self) -> None:
        """Look at the pointer twice a second."""
        while True:
            try:
                await self.look()
            except Transient as error:
                log.warning("config_delayed", reason=error.reason)
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Take the current revision if it is new, and say so. Raises Transient."""
        await self._take_if_new()
        if self._to_say is not None:
            await self._say(self._to_say)
            self._to_say = None

    async def _take_if_new(self) -> None:
        pointer = await read_pointer(self._js)
        if pointer is None:
            self._say_lost()
            return
        self._is_lost_said = False
        if self._mark(pointer) in {self._refused, self.current and self._mark(self.current)}:
            return
        data = await fetch_slice(self._js, self._service, pointer.digests[self._service])
        try:
            await self._take(pointer, data)
        except Refused as refused:
            log.warning("config_refused", revision=pointer.revision, reason=refused.reason)
            if self.current is None:
                self.current = await self._take_last_good()
            self._refused = self._mark(pointer)
            self._to_say = self._answer(pointer.revision, because=refused.reason)
            return
        self.current, self._refused = pointer, None
        CONFIG_REVISION.set(pointer.revision)
        self._to_say = self._answer(pointer.revision)
        log.info("config_taken", revision=pointer.revision)

    def _mark(self, pointer: Pointer) -> tuple[int, str]:
        """A revision as this service sees it: after a loss of the bus the same number may name another."""
        return pointer.revision, pointer.digests[self._service]

    def _say_lost(self) -> None:
        """Say anew by what we work: the bus lost it, not we, and the next revision must be numbered above it."""
        if self.current is not None and not self._is_lost_said:
            self._is_lost_said = True
            self._to_say = self._answer(self.current.revision)
            log.warning("config_pointer_lost", works_by=self.current.revision)

    async def _take_last_good(self) -> Pointer | None:
        """Started anew on a revision we refuse: take what we worked by before. Raises Transient."""
        try:
            bucket = await self._js.key_value(CONFIG.name)
            entry = await bucket.get(self._key)
        except KeyNotFoundError:
            return None
        except BUS_FAULTS as error:
            raise Transient(f"cannot read what this replica worked by: {error!r}") from error
        last = Answer.from_json(entry.value or b"")
        if last is None or not last.digest:
            return None
        pointer = Pointer(last.works_by, {self._service: last.digest})
        try:
            await self._take(pointer, await fetch_slice(self._js, self._service, last.digest))
        except Refused:
            return None
        CONFIG_REVISION.set(pointer.revision)
        log.info("config_taken", revision=pointer.revision, reason="the last good one")
        return pointer

    def _answer(self, revision: int, because: str = "") -> Answer:
        now = self.current
        works_by, digest = (now.revision, now.digests[self._service]) if now else (0, "")
        return Answer(self._service, self._instance, revision, not because, because[:LONGEST_REASON], works_by, digest)

    @property
    def _key(self) -> str:
        return f"answers.{self._service}.{self._instance}"

    async def _say(self, answer: Answer) -> None:
        body: dict[str, Any] = dict(answer.__dict__)
        try:
            bucket = await self._js.key_value(CONFIG.name)
            await bucket.put(self._key, json.dumps(body).encode())
        except BUS_FAULTS as error:
            raise Transient(f"cannot answer for revision {answer.revision}: {error!r}") from error
