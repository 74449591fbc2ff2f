"""What every test may ask for, and the rule that a test's folder decides its marker."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from shared.kit.errors import Unusable
from tests.fakes.embedded import NatsServer, PostgresServer, drop_database, new_database
from tests.fakes.servers import Runtime, runtime, start_nats, start_postgres, why_not

_TESTS = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """A runtime that was asked for and cannot be had ends the run at once, and says why."""
    try:
        reason = why_not()
    except Unusable as error:
        reason = str(error)
    if reason:
        raise pytest.UsageError(reason)
    if runtime() is Runtime.CONTAINERS:
        # The engine takes connections for a server that still starts, and hangs up: nats-py leaves those unclosed.
        config.addinivalue_line(
            "filterwarnings", "ignore:.*StreamWriter.__del__:pytest.PytestUnraisableExceptionWarning"
        )
        config.addinivalue_line("filterwarnings", "ignore:.*unclosed:ResourceWarning")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`tests/unit/...` is marked `unit`, and so on for the other folders."""
    for item in items:
        if item.path.is_relative_to(_TESTS):
            item.add_marker(item.path.relative_to(_TESTS).parts[0])


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command that a test ran in this process set up logging for itself, on a stream that is closed by now."""
    yield
    if structlog.is_configured():
        structlog.reset_defaults()


@pytest.fixture(scope="session")
def nats_server() -> Iterator[NatsServer]:
    """One nats-server per worker, for tests that keep to subjects of their own. Nobody may stop it."""
    server = start_nats()
    yield server
    server.close()


@pytest.fixture
def bus() -> Iterator[NatsServer]:
    """A fresh, empty nats-server for this test alone, open to everyone: stop, kill, pause it as you like."""
    server = start_nats()
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One Postgres per worker. Tests take a `database` in it; one that stops the server starts its own."""
    server = start_postgres()
    yield server
    server.close()


@pytest.fixture
async def database(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """The DSN (superuser) of a fresh, empty database."""
    dsn = await new_database(postgres_server)
    yield dsn
    await drop_database(postgres_server, dsn)
