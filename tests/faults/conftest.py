"""Sites to be faulted. One serves many stories; one that a failed story left in disorder is replaced."""

import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.faults.house import PAIRS, House, running_house


class Estate:
    """Holds at most one running house, of the scale asked for last."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._house: House | None = None

    def house(self, scale: dict[str, int]) -> House:
        """A house of this scale, running."""
        if self._house is None or self._house.scale != scale or not self._house.is_alive:
            self.leave()
            self._house = self._stack.enter_context(running_house(scale))
        return self._house

    def leave(self) -> None:
        """End it."""
        self._stack.close()
        self._house = None


@pytest.fixture(scope="session")
def estate() -> Iterator[Estate]:
    """All houses of the run."""
    estate = Estate()
    yield estate
    estate.leave()


@pytest.fixture(params=[{}, PAIRS], ids=["single", "paired"], scope="module")
def scale(request: pytest.FixtureRequest) -> dict[str, int]:
    """One replica of each service, then two."""
    found: dict[str, int] = request.param
    return found


@pytest.fixture
async def house(estate: Estate, scale: dict[str, int], request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """A calm house: healthy ERP, honest sinks, nothing armed, no incident open."""
    house = estate.house(scale)
    await house.all_ready()
    if await house.incidents("?state=open"):
        estate.leave()
        house = estate.house(scale)
    failed_before = request.session.testsfailed
    yield house
    if not house.is_alive:
        return
    house.disarm()
    if request.session.testsfailed == failed_before:
        await house.switch("healthy")
        for wire in ("smtp", "twilio", "slack", "webhook"):
            await house.behave(wire)
