"""Asked in a process of its own, once for all: what `--help` imports shows only where nothing else was imported."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from cli.__main__ import app

ROOT = Path(__file__).parents[3]
HEAVY = ("faststream", "rich", "asyncpg", "nats", "httpx", "fastapi", "starlette", "uvicorn", "ruamel", "structlog")


def commands() -> list[tuple[str, ...]]:
    """Every command and group, as one types it."""
    found: list[tuple[str, ...]] = [()]
    for name, command in getattr(typer.main.get_command(app), "commands").items():  # noqa: B009  # of groups only
        found.append((name,))
        found += [(name, inner) for inner in getattr(command, "commands", {})]
    return found


def ask_all() -> None:
    """Print every help text, and what was imported for them."""
    texts = {" ".join(one): CliRunner().invoke(app, [*one, "--help"]).output for one in commands()}
    modules = {name.partition(".")[0] for name in sys.modules}
    print(json.dumps({"texts": texts, "heavy": [name for name in HEAVY if name in modules]}))  # noqa: T201  # its answer


@pytest.fixture(scope="module")
def asked() -> dict[str, dict[str, str]]:
    code = "from tests.unit.cli.test_help import ask_all; ask_all()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, dict[str, str]] = json.loads(done.stdout)
    return found


def test_every_command_shows_how_it_is_used(asked: dict[str, dict[str, str]]) -> None:
    assert len(asked["texts"]) > 25
    for command, text in asked["texts"].items():
        words = " ".join(text.split())
        start = f"Example: hypercare {command.split()[0]}" if command else "Start with: hypercare init"
        assert start in words, command


def test_help_is_quick_because_it_imports_nothing_heavy(asked: dict[str, dict[str, str]]) -> None:
    assert not asked["heavy"]
