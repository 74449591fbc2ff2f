"""The Docker engine by its command line, as an operator would."""

import asyncio
import subprocess
from collections.abc import Mapping
from typing import Final

from shared.kit.settings import environment

PYTHON_IMAGE: Final = environment().get("PYTHON_IMAGE") or "python:3.13-slim"


class EngineError(Exception):
    """A command failed; says which, and what it said."""


def docker(*argv: str, env: Mapping[str, str] | None = None, limit_s: float = 180) -> str:
    """Run a command of Docker's; returns what it printed. Raises EngineError."""
    try:
        done = subprocess.run(
            ["docker", *argv],
            env=environment() | dict(env or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=limit_s,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"docker {' '.join(argv)}: {error}") from error
    if done.returncode != 0:
        raise EngineError(f"docker {' '.join(argv)}: {done.stdout[-1000:]}{done.stderr[-3000:]}")
    return done.stdout


async def ask(*argv: str, env: Mapping[str, str] | None = None, limit_s: float = 180) -> str:
    """The same, while the test's own loop goes on."""
    return await asyncio.to_thread(lambda: docker(*argv, env=env, limit_s=limit_s))


def missing() -> str | None:
    """Why nothing of this can work here; None if it can."""
    for argv, what in (
        (("version", "--format", "{{.Server.Version}}"), "no Docker engine answers"),
        (("compose", "version"), "Docker has no Compose plugin (v2)"),
    ):
        try:
            docker(*argv, limit_s=30)
        except EngineError as error:
            return f"{what}: {error}"
    return None


async def crash(container: str) -> None:
    """SIGKILL from outside, as the kernel does it out of memory: the engine's restart policy holds.

    `docker kill` would not do: a container that was killed by request is not started again. So somebody who sees the
    engine's own processes does it.
    """
    pid = (await ask("inspect", "--format", "{{.State.Pid}}", container)).strip()
    killer = ("run", "--rm", "--pid=host", "--user=0", "--network=none", "--entrypoint=python3", PYTHON_IMAGE)
    await ask(*killer, "-c", f"import os; os.kill({int(pid)}, 9)")
