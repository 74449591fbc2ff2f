"""The disk of the bus, and then that of the database, full in the middle of a story, and made larger again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.conftest import Yard
from tests.e2e.engine import ask
from tests.e2e.stack import Stack, lasting, running_stack
from tests.faults.checks import check
from tests.faults.story import Story

FULL_S: Final = 20.0
_RESIZE: Final = """
import ctypes, os, sys
REMOUNT = 32
disk, spare = sys.argv[1], int(sys.argv[2])
now = os.statvfs(disk)
size = (now.f_blocks - now.f_bfree) * now.f_frsize + spare
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"none", disk.encode(), None, REMOUNT, f"size={size}".encode()):
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
"""
"""Give a disk in memory so many bytes more than it holds: nothing of it is lost, and nothing can be added."""
NOTHING: Final = 0
PLENTY: Final = 1 << 36


async def resize(stack: Stack, server: str, spare: int) -> None:
    """Leave so many bytes free on the disk of `nats` or `postgres`."""
    keeper = await stack.container("keeper")
    await ask("exec", keeper, "python3", "-c", _RESIZE, f"/disks/{server}", str(spare))


@pytest.fixture(scope="module")
def small(yard: Yard) -> Iterator[Stack]:
    """A stack with disks that can be filled."""
    yard.leave()
    with running_stack(Path(__file__).with_name("full.yml")) as stack:
        yield stack


@pytest.mark.timeout(900)
@pytest.mark.parametrize("server", ["nats", "postgres"])
async def test_a_full_disk_delays_a_page_and_loses_none(small: Stack, server: str) -> None:
    await small.ready()
    story = await Story.begin(small)

    await resize(small, server, NOTHING)
    await small.switch("errors")
    await lasting(FULL_S)
    assert "o space left on device" in await small.said_by(server), "the disk was never full"
    await resize(small, server, PLENTY)
    if server == "nats":  # what could not be written it does not try again by itself (docs/failure-modes.md)
        await small.restart(await small.container(server))

    await story.breached()
    await story.opened()
    await story.press(await story.paged())
    await story.acknowledged()
    await story.to_response()
    await small.switch("healthy")
    await story.healed()
    await story.resolve_and_close()
    await small.ready()
    await check(story)
