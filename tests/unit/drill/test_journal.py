from pathlib import Path

from cli.drill.store import Journal


def test_what_arrived_is_for_nobody_else_on_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "received.jsonl"
    path.touch(mode=0o644)  # as an older version made it
    Journal(path).close()
    Journal(tmp_path / "new.jsonl").close()
    assert {path.stat().st_mode & 0o777, (tmp_path / "new.jsonl").stat().st_mode & 0o777} == {0o600}
