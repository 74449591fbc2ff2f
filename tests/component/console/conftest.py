"""A world per test, and a browser where one is installed."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.component.console.browser import Browser, chromium, running_browser
from tests.component.console.world import Console, World, console, world
from tests.fakes.embedded import NatsServer
from tests.fakes.servers import start_guarded_nats


@pytest.fixture
def rights_bus() -> Iterator[NatsServer]:
    """A fresh bus with its real users and their rights."""
    server = start_guarded_nats()
    yield server
    server.close()


@pytest_asyncio.fixture(loop_scope="module")
async def there(rights_bus: NatsServer) -> AsyncIterator[World]:
    """A declared bus, two tokens, the incidents API; a prober that is alive."""
    async with world(rights_bus) as made, made.breathing():
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def shown(there: World) -> AsyncIterator[Console]:
    """A console with the small configuration applied."""
    await there.apply()
    async with console(there) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chrome() -> AsyncIterator[Browser]:
    """One headless Chromium for the module; starting it takes longer than most tests."""
    binary = chromium()
    if binary is None:
        pytest.skip("no chromium here: apt-get install chromium")
    async with running_browser(binary) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def browser(chrome: Browser) -> AsyncIterator[Browser]:
    """The browser, whose pages are closed afterwards and must not have complained."""
    chrome.problems.clear()
    yield chrome
    await chrome.close_all()
    assert chrome.problems == [], "errors in the pages' own console"
