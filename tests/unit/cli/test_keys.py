import json
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from cli.keys import write_missing

DATABASE = "postgres:5432/hypercare"


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["keys", *arguments])
    return result.exit_code, result.output


def read(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text(encoding="utf-8") for p in folder.rglob("*") if p.is_file()}


def test_every_consumer_gets_its_own_secrets_for_itself_alone(tmp_path: Path) -> None:
    code, said = run(str(tmp_path / "keys"), "--json")

    files = read(tmp_path / "keys")
    assert code == 0
    assert sorted(json.loads(said)["made"]) == sorted(files)
    assert {"prober/ping_key", "notifier/link_key", "console/token_key", "admin/token"} <= set(files)
    for path in (tmp_path / "keys").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_what_is_shared_is_the_same_everywhere(tmp_path: Path) -> None:
    write_missing(tmp_path, DATABASE)

    files = read(tmp_path)

    for name in ("token_key", "ping_key", "token"):
        assert len({text for path, text in files.items() if path.endswith(f"/{name}")}) == 1, name
    passwords = dict(re.findall(r'HYPERCARE_BUS_(\w+): "(.+)"', files["nats/passwords.conf"]))
    assert files["prober/nats_password"] == passwords["PROBER"]
    assert files["migrate/nats_password"] == files["admin/nats_password"] == passwords["ADMIN"]
    password = files["postgres/incidents_password"]
    assert files["incidents/database_url"] == f"postgresql://incidents:{password}@{DATABASE}"
    assert len(set(passwords.values())) == len(passwords)


def test_a_second_run_changes_nothing_and_says_so(tmp_path: Path) -> None:
    write_missing(tmp_path, DATABASE)
    before = read(tmp_path)

    code, said = run(str(tmp_path))

    assert (code, read(tmp_path)) == (0, before)
    assert f"nothing was missing in {tmp_path}" in said


def test_what_the_nodes_know_each_other_by_begins_with_a_letter(tmp_path: Path) -> None:
    """nats-server reads it out of its environment, and takes what begins with a hyphen for a number."""
    for number in range(50):
        write_missing(tmp_path / str(number), DATABASE)
    assert all(path.read_text("utf-8")[0].isalpha() for path in tmp_path.glob("*/nats/route_password"))
    assert len(list(tmp_path.glob("*/nats/route_password"))) == 50


def test_what_got_lost_is_made_anew_from_what_others_have(tmp_path: Path) -> None:
    write_missing(tmp_path, DATABASE)
    before = read(tmp_path)
    for lost in ("console/token_key", "admin/token", "nats/passwords.conf", "migrate/incidents_password"):
        (tmp_path / lost).unlink()

    write_missing(tmp_path, DATABASE)

    assert read(tmp_path) == before


def test_a_password_of_ones_own_is_kept_and_told_to_the_bus(tmp_path: Path) -> None:
    (tmp_path / "prober").mkdir()
    (tmp_path / "prober" / "nats_password").write_text("chosen-by-hand\n", encoding="utf-8")

    write_missing(tmp_path, DATABASE)

    files = read(tmp_path)
    assert files["prober/nats_password"] == "chosen-by-hand\n"
    assert 'HYPERCARE_BUS_PROBER: "chosen-by-hand"' in files["nats/passwords.conf"]


def test_a_password_with_the_signs_of_a_url_is_quoted_in_it(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres/superuser_password").write_text("su/p:er@#%?&", encoding="utf-8")
    assert run(str(tmp_path))[0] == 0
    url = urlsplit(read(tmp_path)["migrate/database_url"])
    assert (unquote(url.password or ""), url.hostname, url.port) == ("su/p:er@#%?&", "postgres", 5432)


@pytest.mark.parametrize("owner", ["me", "10001", "10001:", ":", "1:x"])
def test_an_owner_that_is_not_two_numbers_is_refused(tmp_path: Path, owner: str) -> None:
    code, said = run(str(tmp_path / "keys"), "--owner", owner)
    assert (code, (tmp_path / "keys").exists()) == (2, False)
    assert "--owner: must be two numbers like 10001:10001" in said


def test_a_folder_that_cannot_be_made_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, said = run(str(tmp_path / "file" / "keys"))
    assert (code, "Not a directory" in said) == (2, True)
