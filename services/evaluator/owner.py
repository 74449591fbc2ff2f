"""The owner of one partition: restore, read on, apply, say, checkpoint.

Every verdict before a checkpoint is stored before the checkpoint is: a crash at any line says again, under the same
ids, what may have been said already, and nothing is skipped (ADR 0001).
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from services.evaluator.domain.checkpoint import CheckpointUnreadable
from services.evaluator.domain.engine import Partition as Engine
from services.evaluator.domain.verdicts import Note, OpenSet, Output
from services.evaluator.metrics import LAG_S, NOTES, RECORDS, VERDICTS
from services.evaluator.ports import Checkpoint, Checkpoints, Log, LostPartition, Plans, Position, RawRecord, Speaker
from services.evaluator.reading import record_of
from services.evaluator.speech import message_of
from services.evaluator.voice import Voice
from shared.contracts import ConfigApplied, Tick
from shared.kit.clock import Clock, to_ns
from shared.kit.errors import Transient
from shared.kit.logging import get_logger
from shared.values import Partition

log = get_logger()

HOUR_NS: Final = 3600 * 1_000_000_000
FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 1.0
"""Between two attempts at a log that cannot be read now."""


@dataclass(frozen=True)
class Wanted:
    """The revision this replica has taken, as a partition should be judged by it."""

    revision: int
    digest: str
    used: frozenset[Partition]
    """The partitions that have checks in it."""


@dataclass(frozen=True)
class Pace:
    """How often an owner does what it does by itself."""

    checkpoint_every_s: float
    checkpoint_every_records: int
    tick_after_s: float


class Owner:
    """Drives one partition's engine along its log until cancelled or the partition is lost."""

    def __init__(
        self,
        partition: Partition,
        log_: Log,
        checkpoints: Checkpoints,
        plans: Plans,
        speaker: Speaker,
        clock: Clock,
        pace: Pace,
        wanted: Callable[[], Wanted | None],
        problem: Callable[[str | None], None],
    ) -> None:
        self.partition = partition
        self._log = log_
        self._checkpoints = checkpoints
        self._plans = plans
        self._speaker = speaker
        self._clock = clock
        self._pace = pace
        self._wanted = wanted
        self._problem = problem
        self._engine = Engine()
        self._position = Position("", 0, 0)
        self._saved = Position("", 0, 0)
        self._saved_at = clock.monotonic()
        self._records = 0
        self._voice = Voice(speaker)
        self._wait_s = FIRST_WAIT_S
        self._asked: tuple[int, str, int] | None = None
        """The marker we appended last: revision, digest and hour."""

    @property
    def position(self) -> Position:
        """How far the log has been concluded from."""
        return self._position

    async def run(self) -> None:
        """Restore and read for ever; faults of the world are waited out. Raises LostPartition, and our own bugs."""
        is_restored = False
        while True:
            try:
                if not is_restored:
                    await self._restore()
                    is_restored = True
                await self._read()
            except Transient as error:
                self._problem(error.reason)
                log.warning("log_interrupted", partition=self.partition, reason=error.reason)
                await asyncio.sleep(self._wait_s)
                self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)
            except LostPartition:
                raise
            except Exception as error:  # said here, where the partition is known, and raised
                self._problem(f"a bug: {error!r}")
                raise

    async def _restore(self) -> None:
        for checkpoint in await self._checkpoints.load():
            try:
                self._engine = Engine.load(checkpoint.state)
            except CheckpointUnreadable as error:
                log.warning("checkpoint_unreadable", partition=self.partition, error=str(error))
                continue
            self._position = await self._log.where(checkpoint.position)
            break
        else:
            self._engine, self._position = Engine(), await self._log.where(None)
        self._saved, self._saved_at = self._position, self._clock.monotonic()
        log.debug("partition_restored", partition=self.partition, sequence=self._position.sequence)

    async def _read(self) -> None:
        quiet_since = self._clock.monotonic()
        self._position = await self._log.where(self._position)
        async with contextlib.aclosing(self._log.read(self._position)) as records:
            async for record in records:
                now = self._clock.monotonic()
                if record is not None:
                    await self._take(record)
                    quiet_since = now
                elif now - quiet_since >= self._pace.tick_after_s:
                    await self._tick()
                await self._voice.breathe()
                if record is None or record.behind == 0:
                    await self._keep_configured()
                await self._checkpoint_when_due(now)
                self._problem(None)
                self._wait_s = FIRST_WAIT_S

    async def _take(self, raw: RawRecord) -> None:
        record = await record_of(raw, self.partition, self._plans, self._engine.plan)
        # From here to the last output nothing is awaited: a cancelled owner has taken a record whole, or not at all.
        for output in self._engine.apply(record):
            self._say(output)
        self._position = Position(self._position.log, raw.sequence, raw.time_ns)
        self._records += 1
        RECORDS.inc()
        LAG_S.set(max(0.0, (to_ns(self._clock.now()) - raw.time_ns) / 1e9))

    def _say(self, output: Output) -> None:
        if isinstance(output, Note):
            NOTES.labels(what=output.what.value).inc(output.count)
            log.info("note", partition=self.partition, what=output.what, location=output.location, check=output.check)
            return
        plan = self._engine.plan
        message = message_of(output, self.partition, plan.revision if plan else None)
        if message is None:
            return
        if not isinstance(output, OpenSet):
            VERDICTS.labels(kind=type(output).__name__.lower()).inc()
        self._voice.begin(message)

    async def _tick(self) -> None:
        """Say that a second has passed. After a position by time there is no sequence: its instant names the tick."""
        plan, position = self._engine.plan, self._position
        if plan is not None and plan.checks:
            after = position.sequence if position.sequence >= 0 else position.record_ns
            await self._speaker.say(Tick(partition=self.partition, after=after))

    async def _keep_configured(self) -> None:
        """Append a marker when our revision is newer than the log's, and once an hour so that it never ages out.

        Only at the log's end: before it we do not know which revision the log has come to.
        """
        wanted, plan = self._wanted(), self._engine.plan
        if wanted is None or (plan is not None and plan.revision > wanted.revision):
            return
        needs_none = plan is None or (plan.revision == wanted.revision and not plan.checks)
        if needs_none and self.partition not in wanted.used:
            return
        asked = (wanted.revision, wanted.digest, to_ns(self._clock.now()) // HOUR_NS)
        if asked == self._asked:
            return
        self._asked = asked
        revision, digest, hour = asked
        await self._speaker.say(ConfigApplied(partition=self.partition, revision=revision, digest=digest, hour=hour))

    async def _checkpoint_when_due(self, now: float) -> None:
        is_due = now - self._saved_at >= self._pace.checkpoint_every_s
        if self._records < self._pace.checkpoint_every_records and not is_due:
            return
        self._saved_at = now
        await self.checkpoint()

    async def checkpoint(self) -> None:
        """Save where we are, if that is new and everything said so far is stored. Raises LostPartition, Transient."""
        if self._position.sequence <= 0 or self._position == self._saved:
            return
        position, state = self._position, self._engine.dump()
        await self._before_saving()
        await self._checkpoints.save(Checkpoint(position, state))
        self._saved, self._records = position, 0

    async def _before_saving(self) -> None:
        await self._voice.all_said()

    async def release(self) -> None:
        """Save and let go, once `run` has ended: whoever comes next goes on from here."""
        try:
            with contextlib.suppress(LostPartition, Transient):
                await self.checkpoint()
        finally:
            self._problem(None)
