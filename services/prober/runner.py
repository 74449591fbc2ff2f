"""Runs checks when they are due, within caps, and knows how late it is itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from services.prober import metrics
from services.prober.domain.expect import judge
from services.prober.domain.look import Fault, Finding, Request, faulty, unknown
from services.prober.domain.plan import Plan
from services.prober.domain.safe_text import safe_text
from services.prober.domain.schedule import Agenda, Due, S, Timeline, late_limit_ns
from services.prober.lateness import Stalls
from services.prober.ports import Sink, Web
from shared.config import SecretMissing
from shared.contracts import Sample
from shared.kit.clock import Clock, from_ns, to_ns
from shared.kit.health import Health
from shared.kit.logging import get_logger
from shared.values import CheckId, Outcome, format_duration

log = get_logger()

LOOK_EVERY_S: Final = 0.25
"""How long the schedule sleeps at most: clocks are compared and stalls noticed this often."""
SHORTEST_S: Final = 0.001
"""uvloop counts in milliseconds: a shorter sleep is none, and the loop would spin until the turn has come."""
PROBER_LATE: Final = "prober-late"


MISSED_SAID: Final = 60
"""Turns missed in one stall that are each said; of a longer one the rest is silence, which says the same."""
STALL: Final = "skipped: the prober stalled"
OVERLAP: Final = "skipped: the probe before it was still running"


@dataclass(frozen=True, slots=True)
class Turn:
    """A check's turn in line; `said`: no probe any more, only this to say."""

    due_ns: int
    said: Finding | None = None


@dataclass(frozen=True)
class Caps:
    """How much may be in flight."""

    total: int = 500
    per_host: int = 50


class Runner:
    """The schedule and the probes in flight."""

    def __init__(
        self, clock: Clock, web: Web, sink: Sink, health: Health, environment: Mapping[str, str], caps: Caps
    ) -> None:
        self._clock = clock
        self._web = web
        self._sink = sink
        self._health = health
        self._environment = environment
        self._caps = caps
        self._plans: dict[CheckId, Plan] = {}
        self._agenda = Agenda()
        self._timeline = Timeline(to_ns(clock.now()), self._mono_ns())
        self._stalls = Stalls()
        self._running: dict[CheckId, asyncio.Task[None]] = {}
        self._line: dict[CheckId, list[Turn]] = {}
        self._all = asyncio.Semaphore(caps.total)
        self._hosts: dict[str, asyncio.Semaphore] = {}
        self._bug: BaseException | None = None

    def _mono_ns(self) -> int:
        return int(self._clock.monotonic() * S)

    def assign(self, plans: Collection[Plan]) -> None:
        """From now on run exactly these. What is in flight ends and is published: a second look harms nobody."""
        wanted = {plan.check: plan for plan in plans}
        now_ns = self._timeline.at(self._mono_ns())
        for check in self._plans.keys() - wanted.keys():
            self._agenda.remove(check)
            self._line.pop(check, None)
        for check, plan in wanted.items():
            before = self._plans.get(check)
            if before is None or before.every_ns != plan.every_ns:
                self._agenda.add(check, plan.every_ns, now_ns)
        self._plans = wanted
        hosts = {plan.host for plan in plans}
        self._hosts = {host: self._hosts.get(host) or asyncio.Semaphore(self._caps.per_host) for host in hosts}

    @property
    def in_flight(self) -> int:
        """Probes begun or waiting for a place."""
        return len(self._running)

    async def run(self) -> None:
        """Start probes when they are due, for ever."""
        while True:
            now_ns = self._follow_clocks()
            for due in self._agenda.pop(now_ns):
                self._take_turn(due)
            if self._bug is not None:
                raise self._bug
            next_ns, mono_ns = self._agenda.next_ns(), self._mono_ns()
            until_next_s = LOOK_EVERY_S if next_ns is None else (next_ns - self._timeline.at(mono_ns)) / S
            wait_s = max(SHORTEST_S, min(LOOK_EVERY_S, until_next_s))
            self._stalls.sleeping(mono_ns, wait_s)
            await asyncio.sleep(wait_s)
            self._stalls.woke(self._mono_ns())

    def _follow_clocks(self) -> int:
        mono_ns = self._mono_ns()
        jumped_ns = self._timeline.observe(to_ns(self._clock.now()), mono_ns)
        now_ns = self._timeline.at(mono_ns)
        if jumped_ns is not None:
            metrics.CLOCK_JUMPS.inc()
            log.error("clock_was_set", by_s=round(jumped_ns / S, 3), reason="the schedule follows the wall clock")
            self._line.clear()
            self._agenda.jump(now_ns)
        return now_ns

    def _take_turn(self, due: Due) -> None:
        """Put a turn in line. Probes of a check never overlap; of the turns that wait only the latest is taken."""
        plan, line = self._plans[due.check], self._line.setdefault(due.check, [])
        line[:] = [Turn(turn.due_ns, turn.said or self._skipped("overlap", OVERLAP)) for turn in line]
        for missed in range(min(due.missed, MISSED_SAID)):
            line.append(Turn(due.first_missed_ns + missed * plan.every_ns, self._skipped("stall", STALL)))
        line.append(Turn(due.due_ns))
        if due.check not in self._running:
            self._next_turn(due.check)

    def _next_turn(self, check: CheckId) -> None:
        """Say what was skipped, and start the turn at the end of the line.

        Never before the probe that runs has been said: samples of a check must leave in rising `due_at`, else the
        evaluator takes the older one, perhaps the time-out that made us late, for late data.
        """
        line, plan = self._line.pop(check, []), self._plans.get(check)
        if plan is None:
            return
        for turn in line:
            if turn.said is not None:
                self._say(plan, turn.due_ns, turn.said)
                continue
            task = asyncio.create_task(self._probe(plan, turn.due_ns), name=f"probe {check}")
            task.add_done_callback(self._note_bug)
            self._running[check] = task

    @staticmethod
    def _skipped(reason: str, words: str) -> Finding:
        metrics.SKIPPED.labels(reason=reason).inc()
        return unknown(PROBER_LATE, words)

    def _note_bug(self, task: asyncio.Task[None]) -> None:
        """What escapes a probe's own guard is a bug of this module: `run` ends with it."""
        if not task.cancelled() and task.exception() is not None:
            self._bug = task.exception()

    async def _probe(self, plan: Plan, due_ns: int) -> None:
        try:
            self._say(plan, due_ns, await self._look(plan, due_ns))
        finally:
            del self._running[plan.check]
            self._next_turn(plan.check)

    async def _look(self, plan: Plan, due_ns: int) -> Finding:
        limit_ns = late_limit_ns(plan.every_ns)
        try:
            async with self._slot(plan, due_ns + limit_ns):
                started_ns = self._mono_ns()
                metrics.LATENESS.observe(max(0, self._timeline.at(started_ns) - due_ns) / S)
                finding = await self._ask(plan)
        except TimeoutError:
            metrics.SKIPPED.labels(reason="full").inc()
            return unknown(PROBER_LATE, f"no place free in time: {self.in_flight} probes in flight")
        if finding.outcome is Outcome.UNKNOWN:  # it has a better reason already
            return finding
        late = self._lateness(due_ns, started_ns, limit_ns)
        return replace(unknown(PROBER_LATE, late), took_s=finding.took_s) if late else finding

    @contextlib.asynccontextmanager
    async def _slot(self, plan: Plan, before_ns: int) -> AsyncIterator[None]:
        """A place under both caps. Raises TimeoutError when none is free before the probe would be too late.

        The host's first: a slow host's queue must not hold places that others could use.
        """
        host = self._hosts.setdefault(plan.host, asyncio.Semaphore(self._caps.per_host))
        left_s = max(0.0, (before_ns - self._timeline.at(self._mono_ns())) / S)
        async with contextlib.AsyncExitStack() as held:
            for places in (host, self._all):
                if places.locked():
                    async with asyncio.timeout(left_s):
                        await places.acquire()
                else:
                    await places.acquire()
                held.callback(places.release)
            with metrics.IN_FLIGHT.track_inprogress():
                yield

    async def _ask(self, plan: Plan) -> Finding:
        try:
            secrets = {name: ref.resolve(self._environment) for name, ref in plan.secrets.items()}
        except SecretMissing as error:
            return unknown("secret-missing", str(error))
        try:
            finding = await self._judge(plan, replace(plan.request, secret_headers=secrets) if secrets else None)
        except Exception as error:  # our bug must not look like the target's fault, nor stop the other checks
            log.exception("probe_broke", check_id=plan.check)
            self._health.broken(f"probe:{plan.check}", f"{type(error).__name__} while probing {plan.check}")
            return unknown("prober-bug", f"our own error: {type(error).__name__}")
        self._health.recovered(f"probe:{plan.check}")
        if finding.reason is None:
            return finding
        return replace(finding, reason=safe_text(finding.reason, secrets=secrets.values()))

    async def _judge(self, plan: Plan, request: Request | None) -> Finding:
        seen = await self._web.ask(request or plan.request)
        return faulty(seen) if isinstance(seen, Fault) else judge(seen, plan.expected)

    def _lateness(self, due_ns: int, started_ns: int, limit_ns: int) -> str | None:
        """Why this probe cannot be trusted, in words; None when it can."""
        mono_ns = self._mono_ns()
        if self._timeline.is_in_doubt(to_ns(self._clock.now()), mono_ns):
            drift_s = self._timeline.drift_ns(to_ns(self._clock.now()), mono_ns) / S
            return f"prober late: its clock was set by {drift_s:+.1f} s"
        late_ns = self._timeline.at(started_ns) - due_ns
        if late_ns > limit_ns:
            return f"prober late: began {_seconds(late_ns)} after its time"
        stall_ns = self._stalls.worst_since(started_ns, mono_ns)
        if stall_ns > limit_ns:
            return f"prober late: it stalled for {_seconds(stall_ns)}"
        return None

    def _say(self, plan: Plan, due_ns: int, finding: Finding) -> None:
        metrics.PROBES.labels(outcome=finding.outcome.value, code=finding.code or "").inc()
        if finding.outcome is not Outcome.UNKNOWN:
            metrics.DURATION.observe(finding.took_s)
        sample = Sample(
            check=plan.check,
            due_at=from_ns(due_ns),
            took_s=finding.took_s,
            outcome=finding.outcome,
            reason=finding.reason,
            values=dict(finding.values),
            code=finding.code,
        )
        self._sink.add(plan.partition, sample)
        level = log.debug if finding.outcome is Outcome.OK else log.info
        level("probe_finished", check_id=plan.check, outcome=finding.outcome.value, reason=finding.reason)

    async def drain(self, within_s: float) -> None:
        """Start nothing more; let what is in flight end, at most so long."""
        self.assign(())
        running = list(self._running.values())
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=within_s)
        for task in late:
            task.cancel()
        if late:
            log.warning("probes_abandoned", count=len(late))
            await asyncio.gather(*late, return_exceptions=True)


def _seconds(ns: int) -> str:
    return format_duration(timedelta(milliseconds=ns // 1_000_000))
