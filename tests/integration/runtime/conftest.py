import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.runtime.running import World, ended_at_last, launch


@pytest.fixture
def place() -> Iterator[Path]:
    """A short folder through which other users may pass, as Postgres under root wants it."""
    folder = Path(tempfile.mkdtemp(prefix="hc-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def start_world(place: Path) -> Iterator[Callable[[], World]]:
    """Start worlds on one data folder, one after the other."""
    with contextlib.ExitStack() as stack:
        count = 0

        def start() -> World:
            nonlocal count
            count += 1
            world = launch(place / "data", place / f"output-{count}")
            stack.enter_context(ended_at_last(world))
            return world

        yield start
