"""The runner on real time, with a web and a way out of its own: when it looks, and when it does not believe itself."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta

from services.prober.domain.look import Answer, Fault, Request
from services.prober.domain.plan import Plan, programme_of
from services.prober.domain.schedule import MS, phase_ns
from services.prober.metrics import SKIPPED
from services.prober.runner import Caps, Runner
from shared.config import ProberSlice, SecretRef
from shared.config.checks import CheckKind
from shared.config.slice_models import HttpProbe, ProbeCheck
from shared.contracts import Sample
from shared.kit.clock import SystemClock, to_ns
from shared.kit.health import Health
from shared.values import CheckId, Location, Outcome, Partition, ServiceId

GOOD = Answer(200, {}, b"{}", 0.001, {})


class SetClock(SystemClock):
    """The machine's clocks, with a wall clock that can be set."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


class ScriptedWeb:
    """Answers as told, and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.seen: Answer | Fault = GOOD
        self.bug: Exception | None = None
        self.at_once = 0
        self.most_at_once = 0

    async def ask(self, request: Request) -> Answer | Fault:
        self.asked.append(request)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.gate.wait()
        finally:
            self.at_once -= 1
        if self.bug is not None:
            raise self.bug
        return self.seen


class Collected:
    """Where samples end up."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []

    def add(self, partition: Partition, sample: Sample) -> None:
        assert partition == 3
        self.samples.append(sample)

    def of(self, outcome: Outcome) -> list[Sample]:
        return [sample for sample in self.samples if sample.outcome is outcome]


class World:
    """One runner and all around it."""

    def __init__(self, caps: Caps) -> None:
        self.clock = SetClock()
        self.web = ScriptedWeb()
        self.sink = Collected()
        self.health = Health()
        self.runner = Runner(self.clock, self.web, self.sink, self.health, {"KEY": "s3cret"}, caps)


@contextlib.asynccontextmanager
async def running(*, caps: Caps | None = None) -> AsyncIterator[World]:
    world = World(caps or Caps())
    task = asyncio.create_task(world.runner.run())
    try:
        yield world
        assert not task.done(), task
    finally:
        world.web.gate.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await world.runner.drain(5)


def plan(name: str = "web-health", every_ms: int = 100, host: str = "127.0.0.1") -> Plan:
    http = HttpProbe(
        url=f"http://{host}/",
        method="GET",
        headers={},
        secret_headers={},
        statuses=None,
        response_headers={},
        contains=(),
        regexes=(),
        json_conditions=(),
        read={},
        max_redirects=0,
        verify_tls=True,
    )
    check = ProbeCheck(
        service=ServiceId("web"),
        partition=Partition(3),
        kind=CheckKind.HTTP,
        every=timedelta(milliseconds=every_ms),
        timeout=timedelta(milliseconds=every_ms),
        http=http,
    )
    slice_ = ProberSlice(programme="test", locations=(Location("main"),), partitions=16, checks={CheckId(name): check})
    return programme_of(slice_).plans[CheckId(name)]


async def until(is_true: Callable[[], bool], limit_s: float = 15.0) -> None:
    async with asyncio.timeout(limit_s):
        while not is_true():  # the condition is other tasks' doing; nothing here could set an event
            await asyncio.sleep(0.005)


def block_the_loop(seconds: float) -> None:
    """What a stalled process is like from inside: nothing runs, time passes."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


async def test_a_check_is_looked_at_on_its_grid_whatever_the_start() -> None:
    async with running() as world:
        world.runner.assign([plan()])
        await until(lambda: len(world.sink.samples) >= 4)
    due = [to_ns(sample.due_at) for sample in world.sink.samples]
    phase = phase_ns(CheckId("web-health"), 100 * MS)
    assert all((at - phase) % (100 * MS) == 0 for at in due)
    assert due == sorted(set(due))


async def test_a_check_that_is_taken_away_is_looked_at_no_more() -> None:
    async with running() as world:
        world.runner.assign([plan("one"), plan("two")])
        await until(lambda: len(world.sink.samples) >= 4)
        world.runner.assign([plan("two")])
        await until(lambda: world.runner.in_flight == 0)
        before = len(world.web.asked)
        world.sink.samples.clear()
        await until(lambda: len(world.web.asked) >= before + 4)
    assert {sample.check for sample in world.sink.samples} <= {CheckId("two")}


async def test_a_fault_is_a_failed_sample_with_its_reason() -> None:
    async with running() as world:
        world.web.seen = Fault("refused", "connection refused by 127.0.0.1:80", 0.002)
        world.runner.assign([plan()])
        await until(lambda: bool(world.sink.of(Outcome.FAILED)))
    sample = world.sink.of(Outcome.FAILED)[0]
    assert sample.code == "refused"
    assert sample.reason == "connection refused by 127.0.0.1:80"


async def test_a_probe_that_outlives_its_interval_never_overlaps_and_its_missed_turns_are_said() -> None:
    async with running() as world:
        world.web.gate.clear()
        world.runner.assign([plan()])
        await until(lambda: world.web.at_once == 1)
        skipped = SKIPPED.labels(reason="overlap")._value.get() + 2  # a counter has no public way to be read
        await until(lambda: SKIPPED.labels(reason="overlap")._value.get() >= skipped)
        assert len(world.web.asked) == 1
        world.web.gate.set()
        await until(lambda: len(world.web.asked) >= 2)
    assert world.web.most_at_once == 1
    skipped = world.sink.of(Outcome.UNKNOWN)  # also a busy machine may have stalled us
    assert {sample.code for sample in skipped} == {"prober-late"}
    assert "skipped: the probe before it was still running" in {sample.reason for sample in skipped}


async def test_a_probe_during_which_the_prober_stalled_is_unknown() -> None:
    async with running() as world:
        world.web.gate.clear()
        world.web.seen = Fault("timeout", "no answer within 100ms", 0.1)
        world.runner.assign([plan()])
        await until(lambda: world.web.at_once == 1)
        block_the_loop(0.9)
        world.web.gate.set()
        await until(lambda: bool(world.sink.of(Outcome.UNKNOWN)))
        await until(lambda: bool(world.sink.of(Outcome.FAILED)))
    stalled = [s for s in world.sink.of(Outcome.UNKNOWN) if "it stalled for" in (s.reason or "")]
    assert {sample.code for sample in stalled} == {"prober-late"}
    assert "skipped: the prober stalled" in {sample.reason for sample in world.sink.of(Outcome.UNKNOWN)}


async def test_a_clock_that_is_set_makes_samples_unknown_until_the_schedule_has_followed() -> None:
    async with running() as world:
        world.runner.assign([plan()])
        await until(lambda: len(world.sink.of(Outcome.OK)) >= 2)
        world.clock.ahead = timedelta(hours=1)
        doubt = "prober late: its clock was set by +3600.0 s"
        await until(lambda: doubt in {sample.reason for sample in world.sink.samples})
        doubted = next(sample for sample in world.sink.samples if sample.reason == doubt)
        assert (doubted.outcome, doubted.code) == (Outcome.UNKNOWN, "prober-late")
        assert doubted.due_at < SystemClock().now() + timedelta(minutes=1)
        good = len(world.sink.of(Outcome.OK))
        await until(lambda: len(world.sink.of(Outcome.OK)) >= good + 3)
        assert world.sink.samples[-1].due_at > SystemClock().now() + timedelta(minutes=59)


async def test_no_more_than_the_cap_is_in_flight_for_one_host_and_the_rest_goes_on() -> None:
    async with running(caps=Caps(total=10, per_host=2)) as world:
        world.web.gate.clear()
        slow = [plan(f"slow-{n}", host="slow.example", every_ms=1000) for n in range(6)]
        world.runner.assign(slow)
        await until(lambda: any("no place free in time" in (s.reason or "") for s in world.sink.of(Outcome.UNKNOWN)))
        assert world.web.most_at_once == 2
        world.runner.assign([*slow, plan("other", host="other.example")])
        await until(lambda: any("other.example" in request.url for request in world.web.asked))
    assert {sample.code for sample in world.sink.of(Outcome.UNKNOWN)} == {"prober-late"}


async def test_secrets_are_looked_up_for_the_probe_and_never_shown() -> None:
    async with running() as world:
        world.web.seen = Fault("other", "target says: s3cret", 0.0)
        world.runner.assign([replace(plan(), secrets={"Authorization": SecretRef("env", "KEY")})])
        await until(lambda: bool(world.sink.of(Outcome.FAILED)))
    assert world.web.asked[0].secret_headers == {"Authorization": "s3cret"}
    assert world.sink.of(Outcome.FAILED)[0].reason == "target says: ***"


async def test_a_secret_that_is_gone_is_our_fault_and_not_the_targets() -> None:
    async with running() as world:
        world.runner.assign([replace(plan(), secrets={"Authorization": SecretRef("env", "OTHER")})])
        await until(lambda: "secret-missing" in {sample.code for sample in world.sink.of(Outcome.UNKNOWN)})
    assert world.web.asked == []


async def test_our_own_error_is_unknown_red_and_over_when_it_works_again() -> None:
    async with running() as world:
        world.web.bug = RuntimeError("seeded")
        world.runner.assign([plan()])
        await until(lambda: "prober-bug" in {sample.code for sample in world.sink.of(Outcome.UNKNOWN)})
        assert await world.health.ills() == {"probe:web-health": "RuntimeError while probing web-health"}
        world.web.bug = None
        await until(lambda: bool(world.sink.of(Outcome.OK)))
        assert await world.health.ills() == {}


async def test_draining_lets_what_is_in_flight_end_and_says_it() -> None:
    async with running() as world:
        world.web.gate.clear()
        world.runner.assign([plan(every_ms=1000)])
        await until(lambda: world.web.at_once == 1)
        draining = asyncio.create_task(world.runner.drain(10))
        world.web.gate.set()
        await draining
        assert len(world.sink.samples) == len(world.web.asked) == 1
        assert world.runner.in_flight == 0


async def test_the_probe_that_made_others_wait_is_said_before_them() -> None:
    async with running() as world:
        world.web.gate.clear()
        world.web.seen = Fault("timeout", "no answer within 100ms", 0.3)
        world.runner.assign([plan()])
        await until(lambda: world.web.at_once == 1)
        skipped = SKIPPED.labels(reason="overlap")._value.get() + 2  # a counter has no public way to be read
        await until(lambda: SKIPPED.labels(reason="overlap")._value.get() >= skipped)
        world.web.gate.set()
        await until(lambda: len(world.sink.of(Outcome.FAILED)) >= 2)
    due = [sample.due_at for sample in world.sink.samples]
    assert due == sorted(set(due))
