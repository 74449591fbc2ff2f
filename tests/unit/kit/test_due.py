import asyncio
from datetime import UTC, datetime, timedelta

from shared.kit.due import DueWorker
from shared.kit.errors import Transient
from shared.kit.health import Health
from tests.fakes.clock import FakeClock

NOW = datetime(2026, 2, 20, 8, tzinfo=UTC)


class Rows:
    """Due rows in memory; `faults` are raised first."""

    def __init__(self, *due: datetime) -> None:
        self.due = list(due)
        self.done: list[datetime] = []
        self.faults: list[Exception] = []
        self.worked = asyncio.Event()

    async def do_due(self, now: datetime) -> int:
        if self.faults:
            raise self.faults.pop(0)
        ready = [at for at in self.due if at <= now]
        self.due = [at for at in self.due if at > now]
        self.done += ready
        if self.done and not self.due:
            self.worked.set()
        return len(ready)

    async def next_due(self) -> datetime | None:
        return min(self.due, default=None)


async def work(rows: Rows, health: Health, clock: FakeClock) -> None:
    worker = DueWorker("test", rows.do_due, rows.next_due, clock, health)
    task = asyncio.create_task(worker.run())
    await asyncio.wait_for(rows.worked.wait(), 10)
    worker.stop()
    await asyncio.wait_for(task, 10)


async def test_everything_overdue_is_done_at_once() -> None:
    rows = Rows(NOW - timedelta(hours=1), NOW - timedelta(seconds=1), NOW)
    await work(rows, Health(), FakeClock(NOW))
    assert len(rows.done) == 3


async def test_a_commit_that_makes_an_earlier_row_wakes_the_worker() -> None:
    rows, clock, health = Rows(NOW + timedelta(days=1)), FakeClock(NOW), Health()
    worker = DueWorker("test", rows.do_due, rows.next_due, clock, health)
    task = asyncio.create_task(worker.run())
    rows.due = [NOW]
    worker.wake()
    await asyncio.wait_for(rows.worked.wait(), 10)
    worker.stop()
    await asyncio.wait_for(task, 10)
    assert rows.done == [NOW]


async def test_a_fault_of_the_world_is_waited_out() -> None:
    rows, health = Rows(NOW), Health()
    rows.faults = [Transient("database away")]
    await work(rows, health, FakeClock(NOW))
    assert not health.problems


async def test_our_own_bug_is_red_while_it_lasts_and_ends_no_other_work() -> None:
    rows, health = Rows(NOW), Health()
    rows.faults = [ZeroDivisionError("ours")]
    await work(rows, health, FakeClock(NOW))
    assert rows.done == [NOW]
