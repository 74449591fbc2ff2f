import asyncio
import gc
import resource
import socket

import pytest

from shared.kit.service import OPEN_FILES, raise_open_files, tell_unseen


def test_a_service_takes_as_many_open_files_as_the_machine_allows_it() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        raise_open_files()
        allowed = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (allowed, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("error", "is_said"),
    [(socket.gaierror(-3, "Temporary failure in name resolution"), False), (RuntimeError("a bug"), True)],
)
async def test_of_what_fails_unseen_only_a_look_up_that_was_given_up_is_not_an_error(
    error: Exception, *, is_said: bool, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(tell_unseen)
    forgotten = loop.create_future()

    forgotten.set_exception(error)
    del forgotten
    gc.collect()

    said = [record for record in caplog.records if record.name == "asyncio"]
    assert bool(said) == is_said
