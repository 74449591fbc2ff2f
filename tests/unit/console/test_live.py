"""A slow viewer costs no memory, and a fast one gets at most four pushes a second."""

import asyncio
import itertools
import tracemalloc
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from services.console.live import Live, Viewer
from services.console.model import ReadModel, SeriesKey, Shape
from shared import contracts as c
from shared.kit.clock import SystemClock
from shared.values import CheckId, Outcome, Partition, ServiceId
from tests.unit.console.things import AT, MAIN, batch, minute


def html(part: str, _: datetime) -> str | None:
    return f'<p id="{part}">x</p>'


async def stay() -> bool:
    return True


async def until(frames: AsyncIterator[str], word: str) -> str:
    async with asyncio.timeout(5):
        async for frame in frames:
            if word in frame:
                return frame
    raise AssertionError(f"the stream ended before {word!r}")


async def test_ten_changes_of_a_part_are_one_push() -> None:
    live = Live(ReadModel(), SystemClock())
    frames = live.stream(html, stay)
    await until(frames, "event: beat")
    for _ in range(10):
        live.changed({"breaches", "check.a.main"})
    frame = await until(frames, "event: parts")
    assert frame.count('id="breaches"') == 1
    assert frame.count('id="check.a.main"') == 1
    live.close()


async def test_what_looks_the_same_is_not_sent_again() -> None:
    live = Live(ReadModel(), SystemClock())
    frames = live.stream(html, stay)
    await until(frames, "event: beat")
    live.changed({"headline"})
    await until(frames, "headline")
    live.changed({"headline", "breaches"})
    assert "headline" not in await until(frames, "breaches")
    live.close()


async def test_a_new_configuration_makes_the_page_read_itself_again() -> None:
    live = Live(ReadModel(), SystemClock())
    frames = live.stream(html, stay)
    await until(frames, "event: beat")
    live.changed({"check.a.main"})
    live.changed({"refresh"})
    assert "event: refresh" in await until(frames, "event:")
    live.close()


async def test_closing_ends_every_stream() -> None:
    live = Live(ReadModel(), SystemClock())
    frames = live.stream(html, stay)
    await until(frames, "event: beat")
    live.close()
    async with asyncio.timeout(5):
        async for _ in frames:
            pass
    assert live.viewers == 0


def test_rows_wait_their_turn_and_everything_else_goes_at_once() -> None:
    viewer = Viewer()
    viewer.owe([f"check.c{number}.main" for number in range(100)])
    viewer.owe(["headline"])
    first = viewer.take()
    assert first[0] == "headline"
    assert len(first) == 41
    viewer.owe(["check.c0.main"])
    assert viewer.take()[0] == "check.c40.main"
    assert viewer.something.is_set()


def test_a_viewer_who_never_reads_owes_no_more_than_there_are_parts() -> None:
    viewer = Viewer()
    for _ in range(1000):
        viewer.owe(f"check.c{number}.main" for number in range(50))
    assert len(viewer.due) == 50


def test_five_thousand_checks_stay_within_forty_megabytes() -> None:
    keys = [SeriesKey(CheckId(f"check-{number}"), MAIN) for number in range(5000)]
    shape = Shape(
        dict.fromkeys(keys, timedelta(seconds=10)),
        dict.fromkeys(keys, ServiceId("erp")),
        dict.fromkeys(keys, Partition(7)),
    )
    model = ReadModel()
    model.configure(shape, AT)
    _fill(model, keys[:3])
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        _fill(model, keys[3:9])  # to the brim; the other thousands are as large
        each = (tracemalloc.get_traced_memory()[0] - before) / 6
    finally:
        tracemalloc.stop()
    assert each * 5000 < 40e6, f"{each:.0f} bytes a check"


def _fill(model: ReadModel, keys: list[SeriesKey]) -> None:
    for key, number in itertools.product(keys, range(70)):
        at = AT + timedelta(seconds=10 * number)
        model.apply(minute(AT - timedelta(minutes=80 - number)).model_copy(update={"check": key.check}), at)
        sample = c.Sample(check=key.check, due_at=at, took_s=0.1, outcome=Outcome.OK, values={"dns": 0.1})
        model.apply(batch(sample), at)


async def test_a_stream_begins_where_the_page_ended() -> None:
    live = Live(ReadModel(), SystemClock())
    live.changed({"headline"})
    position = live.position
    live.changed({"breaches"})  # after the page was drawn, before its stream was opened
    frame = await until(live.stream(html, stay, position), "event: parts")
    assert "breaches" in frame
    assert "headline" not in frame
    assert f"id: {live.position}\n" in frame
    live.close()


async def test_a_position_that_nobody_could_have_got_from_us_reads_the_page_again() -> None:
    live = Live(ReadModel(), SystemClock())
    for count in ("9" * 5000, "", "-1", "\u00b2"):
        await until(live.stream(html, stay, f"{live.position.partition('.')[0]}.{count}"), "event: refresh")
    live.close()


async def test_a_page_of_another_replica_reads_itself_again() -> None:
    live = Live(ReadModel(), SystemClock())
    await until(live.stream(html, stay, "other.17"), "event: refresh")
    live.close()
