import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from cli.runtime.child import DATA_MARKER
from cli.runtime.folder import DataFolder, read_runtime
from cli.runtime.processes import mark
from shared.kit.clock import SystemClock
from shared.kit.errors import Unusable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def sleeper(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Something that works for the folder, as an orphan would."""
    with subprocess.Popen(["/bin/sleep", "100"], env={DATA_MARKER: str(folder.resolve())}) as process:
        yield process
        process.kill()


def record(folder: Path, process: subprocess.Popen[bytes]) -> None:
    marked = mark("orphan", process.pid)
    assert marked is not None
    (folder / "runtime.json").write_text(json.dumps({"processes": [asdict(marked)]}), encoding="utf-8")


def test_it_is_made_for_its_owner_alone(folder: Path) -> None:
    opened = DataFolder.open(folder, SystemClock())
    opened.secrets(["prober"], ["incidents"])

    assert folder.stat().st_mode & 0o066 == 0
    for private in ("secrets.json", "admin.token"):
        assert (folder / private).stat().st_mode & 0o077 == 0
    opened.close()


def test_its_secrets_are_made_up_once_and_new_names_are_added(folder: Path) -> None:
    opened = DataFolder.open(folder, SystemClock())
    first = opened.secrets(["prober"], ["incidents"])
    second = opened.secrets(["prober", "console"], ["incidents"])
    opened.close()

    assert second.bus["prober"] == first.bus["prober"]
    assert second.bus["console"] not in {*first.bus.values(), ""}
    assert (second.link_key, second.ping_key, second.admin_token) == (first.link_key, first.ping_key, first.admin_token)
    assert (folder / "admin.token").read_text(encoding="utf-8") == first.admin_token


def test_its_secrets_do_not_show_when_printed(folder: Path) -> None:
    opened = DataFolder.open(folder, SystemClock())
    made = opened.secrets(["prober"], ["incidents"])
    opened.close()
    assert made.bus["prober"] not in repr(made)
    assert made.admin_token not in repr(made)


def test_a_second_opening_is_refused_until_it_is_closed(folder: Path) -> None:
    opened = DataFolder.open(folder, SystemClock())
    with pytest.raises(Unusable, match=f"hypercare process {os.getpid()} works on it since"):
        DataFolder.open(folder, SystemClock())
    opened.close()
    DataFolder.open(folder, SystemClock()).close()


def test_ports_are_remembered(folder: Path) -> None:
    opened = DataFolder.open(folder, SystemClock())
    opened.remember_ports({"console": 3000})
    opened.remember_ports({"nats": 4222})
    assert opened.ports() == {"console": 3000, "nats": 4222}
    opened.close()


def test_what_runs_can_be_read_while_it_runs_and_no_longer(folder: Path) -> None:
    opened = DataFolder.open(folder, SystemClock())
    opened.write_runtime({"console": "http://127.0.0.1:3000"}, [])

    running = read_runtime(folder)

    assert running is not None
    assert running["addresses"] == {"console": "http://127.0.0.1:3000"}
    assert running["pid"] == os.getpid()
    opened.close()
    assert read_runtime(folder) is None
    assert read_runtime(folder / "never") is None


def test_an_orphan_of_a_killed_supervisor_is_ended(folder: Path, sleeper: subprocess.Popen[bytes]) -> None:
    folder.mkdir()
    record(folder, sleeper)

    opened = DataFolder.open(folder, SystemClock())

    assert [orphan.pid for orphan in opened.ended_orphans] == [sleeper.pid]
    assert sleeper.wait(5) < 0
    opened.close()


def test_a_process_that_got_an_orphans_number_is_left_alone(folder: Path) -> None:
    folder.mkdir()
    with subprocess.Popen(["/bin/sleep", "100"], env={DATA_MARKER: "/another/folder"}) as foreign:
        record(folder, foreign)

        opened = DataFolder.open(folder, SystemClock())

        assert opened.ended_orphans == ()
        assert foreign.poll() is None
        opened.close()
        foreign.kill()


def test_an_orphan_that_still_holds_the_lock_is_ended_before_the_folder_is_taken(folder: Path) -> None:
    first = DataFolder.open(folder, SystemClock())
    with subprocess.Popen(
        ["/bin/sleep", "100"], env={DATA_MARKER: str(folder.resolve())}, pass_fds=[first.lock_fd]
    ) as orphan:
        record(folder, orphan)
        os.close(first.lock_fd)
        gone = {"process": {"name": "supervisor", "pid": 2**22 - 1, "started_s": 0.0, "death_signal": 9}, "since": "x"}
        (folder / "lock").write_text(json.dumps(gone), encoding="utf-8")

        opened = DataFolder.open(folder, SystemClock())

        assert [ended.pid for ended in opened.ended_orphans] == [orphan.pid]
        opened.close()


def test_a_folder_that_cannot_be_made_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unusable, match=r"cannot create the data folder .*/file/data: Not a directory"):
        DataFolder.open(tmp_path / "file" / "data", SystemClock())


def test_a_lock_that_is_a_link_is_refused_and_what_it_leads_to_is_left_alone(folder: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine", encoding="utf-8")
    folder.mkdir()
    (folder / "lock").symlink_to(precious)

    with pytest.raises(Unusable, match=f"{folder}/lock is a link to something else"):
        DataFolder.open(folder, SystemClock())
    assert precious.read_text(encoding="utf-8") == "mine"


def test_a_lock_that_leads_nowhere_makes_no_file_there(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (folder / "lock").symlink_to(tmp_path / "nowhere")

    with pytest.raises(Unusable, match="is a link to something else"):
        DataFolder.open(folder, SystemClock())
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_lock_that_is_no_file_is_refused_by_name(folder: Path, make: Callable[[Path], None]) -> None:
    folder.mkdir()
    make(folder / "lock")

    with pytest.raises(Unusable, match=f"{folder}/lock "):
        DataFolder.open(folder, SystemClock())
