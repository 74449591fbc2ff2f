"""A world per test, and a browser where one is installed."""

from collections.abc import AsyncIterator

import pytest

from tests.component.console.browser import Browser, chromium, running_browser
from tests.component.console.world import Console, World, console, world
from tests.fakes.embedded import NatsServer


@pytest.fixture
async def there(bus: NatsServer) -> AsyncIterator[World]:
    """A declared bus, two tokens, the incidents API; a prober that is alive."""
    async with world(bus) as made, made.breathing():
        yield made


@pytest.fixture
async def shown(there: World) -> AsyncIterator[Console]:
    """A console with the small configuration applied."""
    await there.apply()
    async with console(there) as running:
        yield running


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium of this test's own."""
    binary = chromium()
    if binary is None:
        pytest.skip("no chromium here: apt-get install chromium")
    async with running_browser(binary) as running:
        yield running
        assert running.problems == [], "errors in the pages' own console"
