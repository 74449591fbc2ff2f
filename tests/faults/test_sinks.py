"""Providers that refuse, stall, lie and hang up: the next way at once, the next person when all fail, nobody twice."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.faults.checks import Way, check
from tests.faults.house import House, running_house
from tests.faults.outside import until
from tests.faults.story import Story

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def ways_house() -> Iterator[House]:
    with running_house(file=Path(__file__).with_name("ways.yaml")) as house:
        yield house


@pytest.fixture
async def house(ways_house: House) -> House:
    for wire in ("smtp", "twilio", "slack"):
        await ways_house.behave(wire)
    await ways_house.switch("healthy")
    await ways_house.all_ready()
    assert await ways_house.incidents("?state=open") == [], "a story before this one did not end"
    return ways_house


async def rung(story: Story, channel: str, person: str | None = None) -> dict[str, Any]:
    """Wait for a page with a link over a channel."""
    to = {"ana": {"ana@example.org", "+4915112345678"}, "joao": {"joao@example.org", "+5511987654321"}}

    async def look() -> dict[str, Any] | None:
        for one in await story.arrivals():
            is_theirs = person is None or one["to"] in to[person]
            if is_theirs and one["channel"] == channel and one["delivered"] and one["ack_url"]:
                return one
        return None

    return await until(look, f"a page by {channel} to {person}")


async def finish(story: Story, page: dict[str, Any], *, red: bool = False) -> list[Way]:
    """Acknowledge by this page, heal, close, and check all."""
    await story.press(page)
    await story.acknowledged()
    await story.to_response()
    for wire in ("smtp", "twilio", "slack"):
        await story.house.behave(wire)
    await story.house.switch("healthy")
    await story.healed()
    await story.resolve_and_close()
    return await check(story, red=red)


async def broken(house: House) -> Story:
    story = await Story.begin(house)
    await house.switch("errors")
    await story.opened()
    return story


def of(ways: list[Way], who: str, kind: str = "page") -> list[Way]:
    return [way for way in ways if way.page["addressee"] == who and way.page["kind"] == kind]


def gap_s(first: Way, second: Way) -> float:
    """From the end of the first attempt of one way to the beginning of the other."""
    ended, began = first.attempts[0]["ended_at"], second.attempts[0]["started_at"]
    return (datetime.fromisoformat(began) - datetime.fromisoformat(ended)).total_seconds()


@pytest.mark.parametrize(("mode", "code"), [("fail", 451), ("reject", 550), ("throttle", 450)])
async def test_a_mail_server_that_refuses_gives_way_to_the_next_channel_at_once(
    house: House, mode: str, code: int
) -> None:
    await house.behave("smtp", mode, code=code)
    story = await broken(house)

    page = await rung(story, "sms", "ana")

    ways = await finish(story, page)
    mail, text = of(ways, "ana")
    assert mail.attempts[0]["outcome"] == ("PermanentFailure" if mode == "reject" else "TransientFailure")
    assert gap_s(mail, text) < 5
    assert {way.page["addressee"] for way in ways if way.page["kind"] == "page"} == {"ana"}


async def test_a_mail_server_that_hangs_up_after_the_final_dot_is_unknown_and_asked_again(house: House) -> None:
    await house.behave("smtp", "lie", times=1)
    story = await broken(house)

    ways = await finish(story, await rung(story, "email"))

    assert sum(way.unknown for way in ways) >= 1


async def test_a_mail_that_arrived_though_the_server_hung_up_may_come_twice_under_one_name(house: House) -> None:
    await house.behave("smtp", "drop", times=1)
    story = await broken(house)
    page = await rung(story, "email")

    async def twice() -> list[dict[str, Any]] | None:
        found = [one for one in await story.arrivals() if one["message_id"] == page["message_id"]]
        return found if len(found) == 2 else None

    assert (await until(twice, "the same mail again"))[1]["duplicate_of"] == page["n"]
    ways = await finish(story, page)
    assert sum(way.unknown for way in ways) == 1


async def test_a_text_whose_answer_was_lost_is_asked_for_and_not_sent_again(house: House) -> None:
    await house.behave("smtp", "reject")
    await house.behave("twilio", "drop", times=1)
    story = await broken(house)
    page = await rung(story, "sms", "ana")

    ways = await finish(story, page)

    text = of(ways, "ana")[1]
    assert text.unknown == 1
    assert sum(one["text"] == page["text"] for one in await story.arrivals()) == 1


async def test_when_every_channel_refuses_the_next_person_is_rung_at_once_and_the_incident_is_red(house: House) -> None:
    await house.behave("smtp", "reject", times=1)
    await house.behave("twilio", "reject", times=1, code=21211)
    story = await broken(house)

    page = await rung(story, "sms", "joao")

    shown = await house.incidents(f"/{story.incident}")
    assert shown["undeliverable"] >= 1
    assert shown["red"]
    ways = await finish(story, page, red=True)
    last, first = of(ways, "ana")[-1], of(ways, "joao")[0]
    assert gap_s(last, first) < 5


async def test_a_text_reported_as_undelivered_gives_way_to_the_next_person(house: House) -> None:
    await house.behave("smtp", "reject", times=1)
    await house.behave("twilio", "lie", times=1, code=30003)
    story = await broken(house)

    page = await rung(story, "sms", "joao")

    ways = await finish(story, page, red=True)
    assert of(ways, "ana")[-1].delivery["state"] == "failed_permanent"


async def test_a_text_without_any_report_gives_way_to_the_next_channel_after_thirty_seconds(house: House) -> None:
    await house.behave("smtp", "reject", times=1)
    await house.behave("twilio", "reject", times=1, code=21211)
    story = await broken(house)
    await house.behave("twilio", "lie", code=0)

    page = await rung(story, "email", "joao")

    ways = await finish(story, page, red=True)
    text, mail = of(ways, "joao")
    assert 29 < gap_s(text, mail) < 35


async def test_a_chat_that_asks_for_patience_gets_it_and_is_told_once(house: House) -> None:
    await house.behave("slack", "throttle", times=1, delay_s=4)
    story = await broken(house)

    ways = await finish(story, await rung(story, "email"))

    chat = next(way for way in ways if way.delivery["channel"] == "chat" and len(way.attempts) == 2)
    first, second = chat.attempts
    waited = datetime.fromisoformat(second["started_at"]) - datetime.fromisoformat(first["ended_at"])
    assert waited.total_seconds() >= 3.9
    assert (first["outcome"], second["outcome"]) == ("TransientFailure", "Accepted")


async def test_a_mail_server_slower_than_the_deadline_is_unknown_and_the_next_channel_starts(house: House) -> None:
    await house.behave("smtp", "delay", delay_s=60)
    story = await broken(house)

    page = await rung(story, "sms", "ana")

    await house.behave("smtp")
    ways = await finish(story, page)
    assert of(ways, "ana")[0].unknown >= 1
