"""One courier per kind of channel: claims what is due, sends many at once, settles each as it ends.

A slow provider fills its own courier's places and holds up nobody else. The order that matters: claim committed, send
begun, acknowledgements let go; so no send begins after an acknowledgement is committed (ADR 0003).
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.notifier import metrics
from services.notifier.domain.ledger import Attempt, Delivery, Happened, move
from services.notifier.domain.outcomes import Accepted, Delivered, PermanentFailure, SendResult, Unknown
from services.notifier.domain.page import Book
from services.notifier.domain.settling import claim, lapse, lapsed_attempt
from services.notifier.domain.standby import Illness, choose, has_standby
from services.notifier.domain.wording import Outgoing
from services.notifier.handlers import Desk, outgoing, replan, settle_attempt
from services.notifier.ports import Channel
from shared.contracts.pages import PageState
from shared.kit.crash_points import reached
from shared.kit.errors import Transient
from shared.kit.health import Health
from shared.kit.logging import get_logger
from shared.kit.service import end_tasks
from shared.values import PageId

log = get_logger()


@dataclass(frozen=True)
class Terms:
    """How sends are made. deadline: a send's hard end, less than half of claim_for, which is when others may take it.

    at_once: sends in flight per kind of channel and replica.
    """

    instance: str
    claim_for: timedelta = timedelta(seconds=30)
    deadline: timedelta = timedelta(seconds=10)
    at_once: dict[str, int] = field(default_factory=lambda: {"email": 20, "sms": 20, "chat": 4, "webhook": 20})

    def __post_init__(self) -> None:
        """Refuse terms under which two replicas could send the same at the same time."""
        if self.deadline * 2 >= self.claim_for:
            raise ValueError("a send's deadline must be less than half of its claim")


@dataclass(frozen=True)
class _Claimed:
    """A delivery that is ours until its claim lapses."""

    page: PageId
    attempt: Attempt
    channel: Channel
    message: Outgoing
    has_standby: bool
    claimed_at_s: float


class Courier:
    """Carries the deliveries of one kind of channel."""

    def __init__(self, kind: str, desk: Desk, terms: Terms, health: Health) -> None:
        self.kind = kind
        self._desk = desk
        self._terms = terms
        self._health = health
        self._illness = Illness()
        self._in_flight: set[asyncio.Task[None]] = set()
        self._freed = asyncio.Event()
        self._claiming: asyncio.Task[int] | None = None

    async def do_due(self, _now: datetime) -> int:
        """Claim what is due, as far as there is room, and begin to send it; returns how many were due."""
        room = await self._room()
        # Being told to stop must not cut a claim off from its send: that would leave an `unknown` for nothing.
        self._claiming = asyncio.create_task(self._claim_and_begin(room), name=f"claim:{self.kind}")
        return await asyncio.shield(self._claiming)

    async def _claim_and_begin(self, room: int) -> int:
        now, since_s, claimed = self._desk.clock.now(), self._desk.clock.monotonic(), list[_Claimed]()

        def work(book: Book, delivery: Delivery) -> None:
            one = self._claim(book, delivery, now, since_s)
            if one is not None:
                claimed.append(one)

        async with self._desk.ledger.due(self.kind, now, room) as guard:
            found = await guard.claim(work)
            for one in claimed:
                self._begin(one)
            if claimed:
                await asyncio.sleep(0)  # every send has begun now, and only now acknowledgements may pass
        return found

    async def next_due(self) -> datetime | None:
        """When the next delivery of this kind is due."""
        return await self._desk.ledger.next_due(self.kind)

    async def drain(self, within_s: float) -> None:
        """Let sends in flight end; what does not end in time is left to lapse, and is `unknown` then."""
        if self._claiming is not None:
            await asyncio.wait([self._claiming], timeout=within_s)
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=within_s)
        await end_tasks(self._in_flight)

    async def _room(self) -> int:
        while len(self._in_flight) >= self._terms.at_once[self.kind]:
            self._freed.clear()
            await self._freed.wait()
        return self._terms.at_once[self.kind] - len(self._in_flight)

    def _claim(self, book: Book, delivery: Delivery, now: datetime, since_s: float) -> _Claimed | None:
        """Decide, inside the claim's transaction, what becomes of one due delivery; returns one that is to be sent.

        since_s: the monotonic clock at `now`, before the database was waited for: the claim lapses by the one, and by
        the other we see that it is too late to send.
        """
        if delivery.state is PageState.SENDING:
            book.attempts.append(lapsed_attempt(delivery, now))
            delivery = lapse(delivery, now)
            book.put(delivery, now)
        if book.stop is not None:
            book.put(move(delivery, Happened.STOPPED, now, book.stop.reason), now)
            book.look_at = None
            return None
        providers = {one.name: one for one in self._desk.directory.providers(self.kind)}
        name = choose(list(providers), delivery.provider, delivery.attempts, self._illness, now)
        if name is None:
            why = f"no {self.kind} channel is configured any more"
            book.put(move(delivery, Happened.FAILED_FOR_GOOD, now, why), now)
            replan(self._desk.directory, book, now)
            return None
        begun = claim(delivery, name, self._terms.instance, now, self._terms.claim_for)
        attempt = Attempt(begun.id, begun.attempts, name, self._terms.instance, now)
        book.put(begun, now)
        book.attempts.append(attempt)
        message = outgoing(self._desk, book, begun, may_have_been_sent=delivery.state is PageState.UNKNOWN)
        more = has_standby(list(providers), begun.attempts)
        return _Claimed(book.page, attempt, providers[name], message, more, since_s)

    def _begin(self, one: _Claimed) -> None:
        task = asyncio.create_task(self._carry(one), name=f"send:{one.attempt.delivery}")
        self._in_flight.add(task)
        metrics.IN_FLIGHT.labels(channel=self.kind).inc()
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        metrics.IN_FLIGHT.labels(channel=self.kind).dec()
        self._freed.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("settling_failed", error=repr(error), exc_info=error)
            self._health.broken(f"courier:{self.kind}", f"{type(error).__name__} while settling a send")

    async def _carry(self, one: _Claimed) -> None:
        if self._desk.clock.monotonic() - one.claimed_at_s > self._terms.claim_for.total_seconds() / 3:
            log.warning("claim_went_stale", delivery=one.attempt.delivery)  # this process was frozen; let it lapse
            return
        result = await self._send(one)
        self._note(one, result)
        await self._settle(one, result)
        self._health.recovered(f"courier:{self.kind}")

    async def _send(self, one: _Claimed) -> SendResult:
        seconds = self._terms.deadline.total_seconds()
        reached("send.before")
        try:
            async with asyncio.timeout(seconds):
                result = await one.channel.send(one.message)
        except TimeoutError:
            result = Unknown(f"no answer within {seconds:g} s")
        except Exception as error:  # a bug in one adapter: the page must go on, and we must hear of it
            log.exception("channel_failed", provider=one.channel.name, error=repr(error))
            self._health.broken(f"channel:{one.channel.name}", f"{type(error).__name__} while sending")
            result = Unknown(f"our own error: {type(error).__name__}")
        reached("send.after")
        return result

    def _note(self, one: _Claimed, result: SendResult) -> None:
        """Count, remember illness, and raise the alarm where the fault is ours."""
        name, now, outcome = one.channel.name, self._desk.clock.now(), type(result).__name__
        metrics.ATTEMPTS.labels(channel=self.kind, provider=name, outcome=outcome).inc()
        if isinstance(result, Accepted | Delivered):
            self._illness.worked(name)
            self._health.recovered(f"channel:{name}")
            metrics.HAND_OVER.labels(channel=self.kind).observe((now - one.message.requested_at).total_seconds())
        elif not isinstance(result, PermanentFailure) or result.who == "us":
            self._illness.failed(name, now)
        if isinstance(result, PermanentFailure) and result.who == "us":
            self._health.broken(f"channel:{name}", result.reason)
        fields = {"page": one.page, "delivery": one.attempt.delivery, "attempt": one.attempt.number, "provider": name}
        log.info("attempt_ended", outcome=outcome, reason=getattr(result, "reason", None), **fields)

    async def _settle(self, one: _Claimed, result: SendResult) -> None:
        """Write the outcome down; a database that is away is waited for a while, then the claim lapses to unknown."""
        until = self._desk.clock.monotonic() + 2 * self._terms.claim_for.total_seconds()
        while True:
            try:
                await settle_attempt(self._desk, one.attempt, one.page, result, has_standby=one.has_standby)
            except Transient as error:
                if self._desk.clock.monotonic() > until:
                    log.error("outcome_lost", delivery=one.attempt.delivery, reason=error.reason)  # noqa: TRY400  # no traceback wanted
                    return
                await asyncio.sleep(0.5)
            else:
                return
