from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.component.cli.running import DEMO, Up, ended_at_last, place, start


@pytest.fixture(scope="session")
def system() -> Iterator[Up]:
    """One running system with the example, for tests that leave it as they found it: configured, ready, healed."""
    with place() as folder, ended_at_last(start(folder / "data", folder / "up", "--example", "-f", DEMO)) as up:
        up.wait_watching()
        yield up
        up.stop()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for a system of the test's own."""
    with place() as one:
        yield one
