import asyncio
import gc
import socket

import pytest

from shared.kit.service import tell_unseen


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
