from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from shared.kit.bus import CONNECT_OPTIONS, Publisher, declare_all
from tests.fakes.embedded import NatsServer
from tests.fakes.servers import start_guarded_nats
from tests.integration.evaluator.stage import Stage


async def _quiet(error: Exception) -> None:
    del error  # tests stop the bus on purpose


@pytest.fixture
def guarded() -> Iterator[NatsServer]:
    """A bus of this test's own with the real table of users."""
    server = start_guarded_nats()
    yield server
    server.close()


async def login(server: NatsServer, user: str) -> Client:
    return await nats.connect(
        server.url,
        **{**CONNECT_OPTIONS, "reconnect_time_wait": 0.05},
        user=user,
        password=f"{user}-pw",
        inbox_prefix=f"_INBOX.{user}",
        error_cb=_quiet,
    )


@pytest.fixture
async def idle_stage(guarded: NatsServer, tmp_path: Path) -> AsyncIterator[Stage]:
    admin, prober = await login(guarded, "admin"), await login(guarded, "prober")
    js = admin.jetstream(timeout=5)
    await declare_all(js)
    publisher = Publisher(prober, "/hypercare/prober")
    await publisher.start()
    stage = Stage(guarded, admin, js, publisher, tmp_path)
    yield stage
    stage.end_all()
    await admin.close()
    await prober.close()
    # Everything above was done with the users' own rights, and none of them tried to do more.
    assert "Violation" not in guarded.log_path.read_text(encoding="utf-8", errors="replace")


@pytest.fixture
async def stage(idle_stage: Stage) -> Stage:
    """A stage whose evaluators are processes, started by the test."""
    return idle_stage


@pytest.fixture
async def live(idle_stage: Stage) -> AsyncIterator[Stage]:
    """A stage with one evaluator at work in this process, which waits for a configuration."""
    async with idle_stage.running() as running:
        yield idle_stage
        assert not [task.get_name() for task in running.tasks if task.done()]
