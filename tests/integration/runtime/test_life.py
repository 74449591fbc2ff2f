import os
import signal
from collections.abc import Callable
from pathlib import Path

import asyncpg
import nats
import pytest

from tests.fakes.embedded import wait_until
from tests.integration.runtime.running import World, are_gone, family

Start = Callable[[], World]


async def leave_something(world: World) -> None:
    password = (world.folder / "secrets.json").read_text(encoding="utf-8").split('"admin": "')[1].split('"')[0]
    client = await nats.connect(world.address("nats"), user="admin", password=password)
    await client.jetstream().add_stream(name="KEPT", subjects=["kept"])
    await client.jetstream().publish("kept", b"1")
    await client.close()
    connection = await asyncpg.connect(world.address("database"))
    await connection.execute("CREATE TABLE incidents.kept AS SELECT 1 AS one")
    await connection.close()


async def assert_it_is_there(world: World) -> None:
    password = (world.folder / "secrets.json").read_text(encoding="utf-8").split('"admin": "')[1].split('"')[0]
    client = await nats.connect(world.address("nats"), user="admin", password=password)
    assert (await client.jetstream().stream_info("KEPT")).state.messages == 1
    await client.close()
    connection = await asyncpg.connect(world.address("database"))
    assert await connection.fetchval("SELECT one FROM incidents.kept") == 1
    await connection.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_leaves_no_process_and_no_lock(start_world: Start, number: int) -> None:
    world = start_world()
    world.wait_ready()
    pids = family(world.process.pid)
    assert len(pids) > 3

    assert world.stop(number) == 0

    assert are_gone(pids)
    assert not (world.folder / "lock").exists()
    assert not (world.folder / "runtime.json").exists()
    assert not list((world.folder / "run").iterdir())


async def test_both_stores_keep_their_data_and_addresses_through_a_restart(start_world: Start) -> None:
    first = start_world()
    first.wait_ready()
    await leave_something(first)
    address = first.address("nats")
    first.stop()

    second = start_world()
    second.wait_ready()

    assert second.address("nats") == address
    await assert_it_is_there(second)


async def test_a_killed_supervisor_takes_its_children_along_and_the_next_start_just_works(start_world: Start) -> None:
    first = start_world()
    first.wait_ready()
    await leave_something(first)
    pids = family(first.process.pid)

    first.process.kill()
    first.process.wait(10)
    second = start_world()  # at once: the children may still be dying
    second.wait_ready()

    wait_until(lambda: are_gone(pids), "what the killed one had started is gone")
    await assert_it_is_there(second)


def test_a_second_start_on_the_same_folder_is_refused_by_name(start_world: Start) -> None:
    first = start_world()
    first.wait_ready()

    second = start_world()

    assert second.process.wait(20) == 2
    assert f"is in use: hypercare process {first.process.pid} works on it since 20" in second.said
    assert len(second.said.splitlines()) == 1
    assert first.process.poll() is None


@pytest.mark.parametrize("name", ["nats", "postgres", "sleeper"])
async def test_a_process_that_dies_is_started_again(start_world: Start, name: str) -> None:
    world = start_world()
    world.wait_ready()
    await leave_something(world)
    old = world.pids()[name]

    os.kill(old, signal.SIGKILL)

    world.wait_restarted(name, old)
    wait_until(lambda: f"{name} was ended by SIGKILL; starting it again in 0." in world.said, "it is said")
    if name == "sleeper":
        await assert_it_is_there(world)
    assert world.stop() == 0


def test_another_major_of_postgres_is_refused_with_the_way_out(start_world: Start) -> None:
    first = start_world()
    first.wait_ready()
    first.stop()
    version = first.folder / "postgres" / "PG_VERSION"
    version.write_text("16\n", encoding="ascii")

    second = start_world()

    assert second.process.wait(20) == 2
    assert "was made by Postgres 16, and this version of Hypercare runs 18" in second.said
    assert "pg_dump" in second.said


def test_a_data_folder_with_a_long_name_works(place: Path, start_world: Start) -> None:
    long = place / ("deep-" * 20)
    long.mkdir()
    (place / "data").symlink_to(long)

    world = start_world()
    world.wait_ready()

    elsewhere = (long / "run").readlink()
    assert len(str(elsewhere)) < 40
    assert world.stop() == 0
    assert not elsewhere.exists()
