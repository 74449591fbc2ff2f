"""An owner over everything in memory, on a clock that the test moves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from services.evaluator.adapters.memory import MemoryCheckpoints, MemoryLog, MemoryPlans, MemoryPointer, MemorySpeaker
from services.evaluator.domain.plan import PartitionPlan
from services.evaluator.owner import Owner, Pace, Wanted
from services.evaluator.ports import Speaker
from shared.contracts import (
    BreachChanged,
    BreachCleared,
    BreachOpened,
    ConfigApplied,
    Measurement,
    Message,
    OpenSet,
    Sample,
    SampleBatch,
)
from shared.kit.clock import from_ns
from shared.kit.service import end_tasks
from shared.values import Location, Outcome, Partition
from tests.fakes.clock import FakeClock
from tests.unit.evaluator.story import MAIN, T0, WEB, at

HERE = Partition(3)
LIMIT_S = 5.0


@dataclass
class House:
    """One partition's log and checkpoints, and what has been said; owners come and go."""

    plan: PartitionPlan
    clock: FakeClock = field(default_factory=lambda: FakeClock(from_ns(T0)))
    pointer: MemoryPointer = field(default_factory=MemoryPointer)
    problems: list[str] = field(default_factory=list)
    owner_type: type[Owner] = Owner
    batches: int = 0

    def __post_init__(self) -> None:
        self.log = MemoryLog(self.clock, expires_s=0.001)
        self.speaker = MemorySpeaker(self.log)
        self.plans = MemoryPlans(self.plan)
        self.wanted = wanted_of(self.plan)

    def owner(self, *, checkpoint_every_s: float = 10, speaker: Speaker | None = None) -> Owner:
        def problem(why: str | None) -> None:
            if why is not None:
                self.problems.append(why)

        return self.owner_type(
            HERE,
            self.log,
            MemoryCheckpoints(self.pointer),
            self.plans,
            speaker or self.speaker,
            self.clock,
            Pace(checkpoint_every_s, 1000, 1.0),
            lambda: self.wanted,
            problem,
        )

    @asynccontextmanager
    async def owned(self, *, checkpoint_every_s: float = 10) -> AsyncIterator[Owner]:
        """An owner at work until the block ends; then it lets go in order."""
        owner = self.owner(checkpoint_every_s=checkpoint_every_s)
        task = asyncio.create_task(owner.run())
        try:
            await self.until(lambda: self.is_configured or task.done())
            yield owner
        finally:
            await killed(task)
        await owner.release()

    @property
    def is_configured(self) -> bool:
        return any(isinstance(one, OpenSet) for one in self.speaker.said.values())

    async def until(self, is_true: Callable[[], bool]) -> None:
        """Let the owners work until it is true."""
        async with asyncio.timeout(LIMIT_S):
            while not is_true():
                await asyncio.sleep(0)

    async def read_by(self, *owners: Owner) -> None:
        """Let owners come to the log's end."""
        await self.until(lambda: all(one.position.sequence == len(self.log.records) for one in owners))

    async def hear(self, *owners: Owner, seconds: int, failing: range = range(0), location: Location = MAIN) -> None:
        """A second after the other goes by with a batch; a sample every five, the failing ones failed."""
        for _ in range(seconds):
            self.clock.advance(timedelta(seconds=1))
            second = round((self.clock.now() - from_ns(T0)).total_seconds())
            outcome = Outcome.FAILED if second in failing else Outcome.OK
            self.send(*([self.sample(second, outcome)] if second % 5 == 0 else []), location=location)
            await self.read_by(*owners)

    def sample(self, second: float, outcome: Outcome = Outcome.OK) -> Sample:
        reason = None if outcome is Outcome.OK else "timeout"
        return Sample(check=WEB, due_at=from_ns(at(second)), took_s=0.1, outcome=outcome, reason=reason)

    def send(self, *samples: Sample, location: Location = MAIN) -> None:
        self.batches += 1
        self.log.append(
            SampleBatch(partition=HERE, location=location, prober="prober-0", batch=self.batches, samples=list(samples))
        )

    async def silence(self, owner: Owner, seconds: int) -> None:
        """Nobody says anything: the owner's ticks are the only records."""
        for _ in range(seconds):
            self.clock.advance(timedelta(seconds=1))
            before = len(self.log.records)
            await self.until(lambda before=before: len(self.log.records) > before)  # type: ignore[misc]  # bound now
            await self.read_by(owner)

    @property
    def verdicts(self) -> list[Message]:
        return [one for one in self.speaker.said.values() if isinstance(one, BreachOpened | BreachCleared)]

    @property
    def told(self) -> list[str]:
        """`opened web-down threshold`, `changed prober-down clock`, `cleared web-down`."""
        return [_line(one) for one in self.verdicts]

    @property
    def minutes(self) -> list[Measurement]:
        return [one for one in self.speaker.said.values() if isinstance(one, Measurement)]


def _line(message: Message) -> str:
    if isinstance(message, BreachCleared):
        return f"cleared {message.key.rule}"
    assert isinstance(message, BreachOpened)
    kind = "changed" if isinstance(message, BreachChanged) else "opened"
    return f"{kind} {message.key.rule} {message.breach.cause.value}"


def wanted_of(plan: PartitionPlan) -> Wanted:
    return Wanted(plan.revision, plan.digest, frozenset({HERE}))


async def killed(task: "asyncio.Task[None]") -> None:
    """End an owner where it stands."""
    await end_tasks([task])


def marker(plan: PartitionPlan) -> ConfigApplied:
    return ConfigApplied(partition=HERE, revision=plan.revision, digest=plan.digest, hour=0)
