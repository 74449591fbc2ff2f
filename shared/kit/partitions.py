"""Who does which partition: heartbeats in a bucket and the same computed assignment everywhere.

No leases, no fencing: the recorded log makes two owners harmless (ADR 0001), assignment only saves work. A member is
dead when its heartbeat has not moved for four successful looks in which our own heartbeat was stored and seen, so that
an election of the bus moves nothing. A graceful stop says `leaving` and is believed at once.
"""

import asyncio
import contextlib
import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from nats.aio.client import Client
from pydantic import TypeAdapter, ValidationError

from shared.contracts.streams import MEMBERS
from shared.kit.bus import Publisher
from shared.kit.errors import Transient
from shared.kit.logging import get_logger
from shared.kit.stored import read_last, subject_of
from shared.values import Partition

log = get_logger()

BEAT_EVERY_S: Final = 0.5
DEAD_AFTER_LOOKS: Final = 4


@dataclass(frozen=True)
class Beat:
    """One heartbeat as stored."""

    service: str
    instance: str
    nonce: str
    count: int
    group: str = ""
    leaving: bool = False
    facts: dict[str, str] = field(default_factory=dict)
    """Where this replica is: `pid`, `ops` (URL), for people and for `hypercare status`."""


_BEAT: Final = TypeAdapter(Beat)
"""Unknown fields are ignored, wrong ones are an error."""


async def read_members(client: Client, service: str = "*", *, timeout: float = 1.0) -> list[Beat]:
    """The last heartbeat of every member that ever was, in one round trip. Raises Transient."""
    found = await read_last(client, MEMBERS.stream, f"$KV.{MEMBERS.name}.{service}.*", timeout=timeout)
    return [beat for beat in (_beat(subject_of(msg), msg.data) for msg in found) if beat is not None]


def _beat(subject: str, data: bytes) -> Beat | None:
    """Read a heartbeat; None for the mark of a deleted member, and for what is none: it must not hide the others."""
    if not data:
        return None
    try:
        return _BEAT.validate_json(data)
    except ValidationError as error:
        _say_unreadable(subject, str(error.errors()[0]["msg"]))
        return None


@lru_cache(maxsize=256)
def _say_unreadable(subject: str, why: str) -> None:
    """Once, not twice a second: nobody takes such an entry back."""
    log.warning("member_unreadable", entry=subject, error=why)


class Membership:
    """Our own heartbeat, and who else is alive in our service (and group)."""

    def __init__(self, client: Client, publisher: Publisher, me: Beat, *, beat_every_s: float = BEAT_EVERY_S) -> None:
        self._client = client
        self._publisher = publisher
        self.me = me
        self._every_s = beat_every_s
        self._count = 0
        self._still: dict[str, tuple[tuple[str, int], int]] = {}
        self.alive: tuple[str, ...] = ()
        self.changed = asyncio.Event()
        self._left = False

    async def run(self) -> None:
        """Beat and look, twice a second, for ever."""
        while not self._left:
            try:
                await self.beat()
                await self.look()
            except Transient as error:
                log.warning("membership_delayed", reason=error.reason)
            await asyncio.sleep(self._every_s)

    async def beat(self, *, leaving: bool = False) -> None:
        """Store one heartbeat; returns when the bus has it. Raises Transient."""
        self._count += 1
        body = json.dumps({**self.me.__dict__, "count": self._count, "leaving": leaving}).encode()
        await self._publisher.publish_raw(
            f"$KV.{MEMBERS.name}.{self.me.service}.{self.me.instance}", body, {}, give_up_s=0.0
        )

    async def look(self) -> None:
        """One look at the others; it counts only when our own latest heartbeat is in it."""
        beats = {beat.instance: beat for beat in await read_members(self._client, self.me.service)}
        own = beats.get(self.me.instance)
        if own is None or own.nonce != self.me.nonce or own.count != self._count:
            return
        alive = [beat.instance for beat in beats.values() if beat.group == self.me.group and self._is_alive(beat)]
        self._announce(tuple(sorted(alive)))

    def _is_alive(self, beat: Beat) -> bool:
        position = (beat.nonce, beat.count)
        last, looks = self._still.get(beat.instance, (None, DEAD_AFTER_LOOKS))
        # A member seen for the first time must move once before it counts: it may have been dead for a week.
        still = looks + 1 if position == last else (0 if last is not None else DEAD_AFTER_LOOKS)
        self._still[beat.instance] = (position, still)
        if beat.instance == self.me.instance:
            return True
        return not beat.leaving and still < DEAD_AFTER_LOOKS

    def _announce(self, alive: tuple[str, ...]) -> None:
        if alive != self.alive:
            log.info("members_changed", alive=list(alive))
            self.alive = alive
            self.changed.set()

    async def leave(self) -> None:
        """Hand over at once; a bus that is away finds out by our silence."""
        self._left = True
        with contextlib.suppress(Transient):
            await self.beat(leaving=True)

    def mine(self, partitions: Iterable[Partition]) -> set[Partition]:
        """The partitions that are ours by the current view; none before the first look that counts."""
        return {p for p, owner in assign(sorted(partitions), self.alive).items() if owner == self.me.instance}


def assign(partitions: Sequence[Partition], members: Sequence[str]) -> dict[Partition, str]:
    """Bounded-load rendezvous hashing: the same everywhere, nobody has more than ceil(partitions / members).

    When a member goes, only its partitions (and few others, for the bound) move.
    """
    if not members:
        return {}
    limit = math.ceil(len(partitions) / len(members))
    load = dict.fromkeys(members, 0)
    owners = {}
    for partition in partitions:
        ranked = sorted(members, key=lambda member: _weight(partition, member), reverse=True)
        owner = next(member for member in ranked if load[member] < limit)
        load[owner] += 1
        owners[partition] = owner
    return owners


def _weight(partition: Partition, member: str) -> bytes:
    return hashlib.blake2b(f"{partition}/{member}".encode(), digest_size=8).digest()
