"""A wish for the servers of the tests that cannot be granted ends the run with words, before any test."""

import subprocess
import sys
from pathlib import Path

import pytest

from shared.kit.settings import environment

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ("containers", "no Docker engine answers"),
        ("cloud", "HYPERCARE_TEST_RUNTIME: must be one of embedded, containers, auto (got cloud)"),
    ],
)
def test_a_runtime_that_cannot_be_had_is_refused_with_words(wish: str, words: str) -> None:
    env = environment() | {"HYPERCARE_TEST_RUNTIME": wish, "DOCKER_HOST": "unix:///nowhere/docker.sock"}

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "tests/unit/kit"],
        cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert words in done.stderr


def test_without_an_engine_the_runtime_auto_is_the_embedded_one() -> None:
    env = environment() | {"HYPERCARE_TEST_RUNTIME": "auto", "DOCKER_HOST": "unix:///nowhere/docker.sock"}
    script = "from tests.fakes.servers import runtime; print(runtime())"

    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, text=True, check=True)

    assert done.stdout == "embedded\n"
