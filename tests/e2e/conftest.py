"""One stack serves many stories; one that a failed story left in disorder is replaced."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.engine import missing
from tests.e2e.stack import Stack, running_stack
from tests.faults.outside import say


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Without an engine these tests fail, all at once: whoever asks for them wants to know that they did not run."""
    if "e2e" in item.keywords and (why := missing()):
        pytest.exit(f"tests/e2e needs a Docker engine with Compose v2: {why}", returncode=1)


ORDER: Final = ("test_full", "test_scale", "test_story", "", "test_verdicts")
"""What needs a stack of its own comes first, and last what judges all that was done to the shared one."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """See ORDER; other folders' tests stay where they are."""
    here = [item for item in items if item.path.parent == Path(__file__).parent]
    rank = {name: number for number, name in enumerate(ORDER)}
    here.sort(key=lambda item: rank.get(item.path.stem, rank[""]))
    items[:] = [item for item in items if item not in here] + here


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Say at once why a story failed: the next ones take minutes."""
    if report.failed and "e2e" in report.keywords:
        say(f"\n{report.nodeid} {report.when}: {report.longreprtext[-2500:]}")


class Yard:
    """Holds at most one running stack."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._running: Stack | None = None

    def stack(self) -> Stack:
        """A running stack."""
        if self._running is None:
            self._running = self._stack.enter_context(running_stack())
        return self._running

    def leave(self) -> None:
        """Remove it with all that is its."""
        if self._running:
            self._running.keep_logs()
        self._running = None
        self._stack.close()


@pytest.fixture(scope="session")
def yard() -> Iterator[Yard]:
    """Where the stack of this run stands."""
    yard = Yard()
    yield yard
    yard.leave()


@pytest.fixture
async def stack(yard: Yard, request: pytest.FixtureRequest) -> AsyncIterator[Stack]:
    """A calm stack: everything healthy, ERP well, honest sinks, no incident open."""
    stack = yard.stack()
    await stack.ready()
    failed_before = request.session.testsfailed
    yield stack
    if request.session.testsfailed != failed_before:
        yard.leave()
