"""Lanes: side by side, but never past one's own kind."""

import asyncio

import pytest

from shared.kit.lanes import Lanes


class Traffic:
    """Who is in, who was in, and a gate for those of one lane."""

    def __init__(self) -> None:
        self.lanes = Lanes()
        self.entered: list[str] = []
        self.gate = asyncio.Event()

    async def go(self, lane: str, name: str) -> None:
        async with self.lanes.alone_in(lane):
            self.entered.append(name)
            await self.gate.wait()


async def let_all_run() -> None:
    """Everybody gets as far as he can without the gate."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_different_lanes_are_entered_side_by_side() -> None:
    traffic = Traffic()
    async with asyncio.TaskGroup() as all_of_them:
        for lane in ("a", "b", "c"):
            all_of_them.create_task(traffic.go(lane, lane))
        await let_all_run()
        assert traffic.entered == ["a", "b", "c"]
        traffic.gate.set()


async def test_one_lane_is_entered_one_by_one_in_the_order_they_came() -> None:
    traffic = Traffic()
    async with asyncio.TaskGroup() as all_of_them:
        for number in range(5):
            all_of_them.create_task(traffic.go("a", str(number)))
        await let_all_run()
        assert traffic.entered == ["0"]
        traffic.gate.set()
    assert traffic.entered == ["0", "1", "2", "3", "4"]


async def test_whoever_fails_leaves_the_lane_to_the_next() -> None:
    traffic = Traffic()
    traffic.gate.set()

    async def fail() -> None:
        async with traffic.lanes.alone_in("a"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    await traffic.go("a", "next")
    assert traffic.entered == ["next"]
