"""A platform team's subscriber, run as its own program with its own login: live, away and back, and a day replayed."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from pydantic import SecretStr

from shared.contracts import IncidentOpened
from shared.contracts.streams import INCIDENTS
from shared.kit.bus import Publisher, connected, declare_all
from shared.kit.clock import SystemClock
from shared.kit.settings import BusSettings
from tests.contract.messages.examples import EXAMPLES
from tests.fakes.embedded import NatsServer
from tests.fakes.servers import start_guarded_nats

ROOT: Final = Path(__file__).parents[3]
PROGRAM: Final = ROOT / "examples" / "consumer" / "subscribe.py"
OPENED: Final = next(example for example in EXAMPLES if isinstance(example, IncidentOpened))
MANY: Final = 250
"""More than two of the batches a replay asks for."""


@pytest.fixture
def server() -> Iterator[NatsServer]:
    server = start_guarded_nats()
    yield server
    server.close()


@pytest.fixture
async def incidents(server: NatsServer) -> AsyncIterator[Publisher]:
    """What the service incidents says it with."""
    async with connected(settings(server, "admin"), "admin") as admin:
        await declare_all(admin.jetstream())
    async with connected(settings(server, "incidents"), "incidents") as client:
        publisher = Publisher(client, "/hypercare/incidents")
        await publisher.start()
        yield publisher


def settings(server: NatsServer, user: str) -> BusSettings:
    return BusSettings(nats_url=server.url, nats_user=user, nats_password=SecretStr(f"{user}-pw"))


async def say(incidents: Publisher, *numbers: int) -> None:
    for number in numbers:
        await incidents.publish(OPENED.model_copy(update={"event_id": str(number)}))


@asynccontextmanager
async def subscriber(server: NatsServer, *arguments: str) -> AsyncIterator[asyncio.StreamReader]:
    """What the program prints while it runs."""
    async with program(server, *arguments) as process:
        assert process.stdout is not None
        yield process.stdout


@asynccontextmanager
async def program(server: NatsServer, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The program, ended with the block."""
    env = {"HYPERCARE_NATS_URL": server.url, "HYPERCARE_NATS_PASSWORD": "platform-pw"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(PROGRAM),
        *arguments,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def heard(lines: asyncio.StreamReader, count: int) -> list[int]:
    """The ids of the next events."""
    async with asyncio.timeout(60):
        found = [(await lines.readline()).decode().split() for _ in range(count)]
    assert {kind for _, kind, _, _ in found} == {"hypercare.incident.opened.v1"}
    assert {incident for *_, incident in found} == {OPENED.incident}
    return [int(number) for _, _, number, _ in found]


async def test_it_hears_what_happens_and_afterwards_what_happened_while_it_was_away(
    server: NatsServer, incidents: Publisher
) -> None:
    async with subscriber(server) as lines:
        await say(incidents, 1, 2)
        assert await heard(lines, 2) == [1, 2]
        # an acknowledgement leaves after its line is printed: the third line says that the first two have left
        await say(incidents, 3)
        assert await heard(lines, 1) == [3]
    await say(incidents, 4)
    async with subscriber(server) as lines:
        found = await heard(lines, 1)
        while found[-1] != 4:  # the third may come once more: its acknowledgement was on the way
            found += await heard(lines, 1)
    assert found in ([4], [3, 4])


async def test_a_replay_says_all_since_an_instant_in_order_and_ends(server: NatsServer, incidents: Publisher) -> None:
    await say(incidents, -2, -1)
    since = SystemClock().now()
    await say(incidents, *range(MANY))
    async with subscriber(server, since.isoformat()) as lines:
        assert await heard(lines, MANY) == list(range(MANY))
        assert await lines.read() == b""
    async with subscriber(server, SystemClock().now().isoformat()) as lines:
        assert await lines.read() == b""


async def test_an_instant_that_is_none_is_named(server: NatsServer, incidents: Publisher) -> None:
    del incidents  # the streams are there
    async with program(server, "yesterday") as process:
        said, error = await asyncio.wait_for(process.communicate(), 60)
    assert (said, process.returncode) == (b"", 1)
    assert error.startswith(b"yesterday: ")


async def test_the_live_copies_are_heard_by_everybody_who_subscribes(server: NatsServer, incidents: Publisher) -> None:
    async with connected(settings(server, "platform"), "platform") as client:
        both = [await client.subscribe(INCIDENTS.live) for _ in range(2)]
        await client.flush()
        await say(incidents, 1)
        for one in both:
            msg = await one.next_msg(timeout=60)
            assert ((msg.headers or {})["ce-id"], msg.subject) == ("1", f"live.{OPENED.on_subject}")


async def test_the_page_that_explains_it_shows_this_very_program() -> None:
    page = (ROOT / "docs" / "consume.md").read_text(encoding="utf-8")
    assert f"```python\n{PROGRAM.read_text(encoding='utf-8')}```" in page
