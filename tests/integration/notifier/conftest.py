"""The notifier's world, fresh for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.component.notifier.rig import SECRETS, Rig, rig_on
from tests.fakes.embedded import NatsServer
from tests.fakes.sinks import Sinks, running_sinks


@pytest.fixture
async def sinks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sinks]:
    async with running_sinks(tmp_path / "sinks") as found:
        for name, value in {**SECRETS, "TEST_SLACK_HOOK": found.addresses.slack_url}.items():
            monkeypatch.setenv(name, value)
        yield found


@pytest.fixture
async def rig(bus: NatsServer, database: str) -> AsyncIterator[Rig]:
    async with rig_on(bus.url, database) as found:
        yield found
