"""Messages lost, late and out of order, made so by hand on the real bus: what was meant is what becomes."""

import contextlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.contracts import (
    BreachCleared,
    BreachKey,
    BreachOpened,
    Cause,
    ClearReason,
    Message,
    OpenBreach,
    OpenSet,
    PageCancelled,
    PageReceipt,
    PageRequested,
    envelope,
)
from shared.contracts.pages import Addressee, PageKind, page_id
from shared.kit.clock import SystemClock, from_ns, to_ns
from shared.kit.ids import start_nonce
from shared.values import CheckId, IncidentId, Location, PersonId, RuleId, ServiceId, Severity
from tests.faults.checks import bus_is_settled, check, ledger_is_whole
from tests.faults.house import PAIRS, House
from tests.faults.outside import until
from tests.faults.story import Story

pytestmark = [pytest.mark.timeout(300), pytest.mark.parametrize("scale", [PAIRS], ids=["paired"], scope="module")]

SERVICE = ServiceId("erp-web")


async def publish(house: House, *messages: Message) -> None:
    """As if a service of ours had said it."""
    async with house.bus() as client:
        for message in messages:
            headers = envelope(message, "/hypercare/faults")
            await client.jetstream().publish(message.on_subject, message.to_json(), headers=headers)


def source() -> str:
    """A source that nobody else speaks for."""
    return f"intake-{start_nonce()}"


def opened(of: str, rev: int) -> BreachOpened:
    """A breach of the example's rule as that source states it."""
    key = BreachKey(rule=RuleId("web-down"), check=CheckId("web-health"), location=Location("main"))
    breach = OpenBreach(
        key=key, rev=rev, service=SERVICE, severity=Severity.CRITICAL, symptom="web-down", cause=Cause.THRESHOLD,
        began_at=from_ns(rev), summary="said by hand",
    )  # fmt: skip
    return BreachOpened.of(of, breach, from_ns(rev))


def cleared(of: str, rev: int) -> BreachCleared:
    """Its end."""
    key = opened(of, rev).key
    return BreachCleared.of(of, SERVICE, key, rev, from_ns(rev), ClearReason.HEALED, "well again")


@contextlib.asynccontextmanager
async def paused(house: House, stream: str, durable: str, for_s: float) -> AsyncIterator[None]:
    """Let a consumer deliver nothing during the block."""
    async with house.bus() as client:

        async def pause(until_s: float) -> None:
            at = SystemClock().now() + timedelta(seconds=until_s)
            ask = json.dumps({"pause_until": at.isoformat()}).encode()
            answer = json.loads((await client.request(f"$JS.API.CONSUMER.PAUSE.{stream}.{durable}", ask)).data)
            assert "error" not in answer, answer

        await pause(for_s)
        try:
            yield
        finally:
            await pause(-1)


async def lose(house: House, stream: str, after: int, kind: type[Message]) -> int:
    """Delete what came of this kind after a sequence; returns how many."""
    lost = [one.sequence for one in await house.stored(stream, after) if type(one.message) is kind]
    async with house.bus() as client:
        for sequence in lost:
            await client.jetstream().delete_msg(stream, sequence)
    return len(lost)


async def test_an_opened_that_comes_after_its_cleared_opens_nothing(house: House) -> None:
    story = await Story.begin(house)
    who, now = source(), to_ns(SystemClock().now())

    await publish(house, cleared(who, now + 10))
    await bus_is_settled(house)  # else two replicas take them side by side, and either may be first
    await publish(house, opened(who, now))

    await bus_is_settled(house)
    assert await house.incidents("?state=open") == []
    assert await story.said("PAGES") == []


async def test_a_cancel_that_comes_before_its_request_lets_nothing_ring(house: House) -> None:
    story = await Story.begin(house)
    incident, now, ana = IncidentId(f"x{start_nonce()}"), SystemClock().now(), Addressee(person=PersonId("ana"))
    page = page_id(incident, 1, 0, 0, ana, PageKind.PAGE)
    cancel = PageCancelled(event_id=f"{page}.c", occurred_at=now, incident=incident, ack_epoch=1, reason="cleared")
    request = PageRequested(
        event_id=f"{page}.r", occurred_at=now, page=page, incident=incident, incident_name="by-hand", service=SERVICE,
        ack_epoch=1, round=0, rung=0, addressee=ana, kind=PageKind.PAGE, severity=Severity.CRITICAL, title="by hand",
    )  # fmt: skip

    await publish(house, cancel)
    await bus_is_settled(house)  # as above
    await publish(house, request)

    ways = await ledger_is_whole(story)
    assert {way.delivery["state"] for way in ways} <= {"cancelled"}
    assert [attempt for way in ways for attempt in way.attempts] == []
    assert await story.arrivals() == []


async def test_a_lost_cleared_is_healed_by_the_next_open_set(house: House) -> None:
    story = await Story.begin(house)
    who, now = source(), to_ns(SystemClock().now())
    await publish(house, opened(who, now))
    await story.opened()
    await story.press(await story.paged())
    await story.acknowledged()

    at = to_ns(SystemClock().now())
    covered = {str(SERVICE): 1.0}
    await publish(house, OpenSet(source=who, as_of=at, at=from_ns(at), covered=covered, breaches=[]))

    await story.resolve_and_close()
    await check(story, verdicts=["opened"])


async def test_a_page_request_that_was_lost_is_asked_for_again(house: House) -> None:
    story = await Story.begin(house)
    async with paused(house, "PAGES", "notifier-pages", 25):
        await house.switch("errors")
        await story.opened()
        await story.wait_for("PAGES", PageRequested)
        assert await lose(house, "PAGES", story.since["PAGES"], PageRequested)

    page = await story.paged()
    left = [one.message for one in await house.stored("PAGES", story.since["PAGES"])]
    assert {one.issue for one in left if isinstance(one, PageRequested) and one.kind is PageKind.PAGE} == {1}
    await story.press(page)
    await story.acknowledged()
    await story.to_response()
    await house.switch("healthy")
    await story.healed()
    await story.resolve_and_close()
    await check(story)


async def test_receipts_that_were_lost_are_given_again(house: House) -> None:
    """Without a receipt nobody climbs to the next step: incidents asks again, and the notifier says again."""
    story = await Story.begin(house)
    async with paused(house, "RECEIPTS", "incidents-receipts", 25):
        await house.switch("errors")
        await story.opened()
        await story.paged()
        await story.wait_for("RECEIPTS", PageReceipt, state="accepted")
        await ledger_is_whole(story)
        assert await lose(house, "RECEIPTS", story.since["RECEIPTS"], PageReceipt)

    async def all_known() -> bool | None:
        pages = (await house.incidents(f"/{story.incident}"))["pages"]
        return True if all(one["handed_over_at"] for one in pages) else None

    await until(all_known, "incidents knows again what became of its pages")
    await story.press(await story.paged())
    await story.acknowledged()
    await story.to_response()
    await house.switch("healthy")
    await story.healed()
    await story.resolve_and_close()
    await check(story)
