"""A bus, a database, the configuration applied; replicas are started by the test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.component.incidents.system import System, running_system
from tests.fakes.embedded import NatsServer


@pytest.fixture
async def system(bus: NatsServer, database: str, tmp_path: Path) -> AsyncIterator[System]:
    async with running_system(bus.url, database, tmp_path) as running:
        yield running
