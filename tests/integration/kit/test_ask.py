"""The health check of a container, against the very endpoints that it asks."""

import asyncio
import sys

from shared.kit.health import Health, serving_ops

NOBODY_S_PORT = 9


async def _ask(port: int, *arguments: str) -> tuple[int | None, str]:
    asking = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "shared.kit.ask",
        *arguments,
        env={"HYPERCARE_OPS_PORT": str(port)},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await asking.communicate()
    return asking.returncode, said.decode()


async def test_a_ready_service_is_healthy() -> None:
    # Given
    async with serving_ops(Health(), "127.0.0.1", 0) as port:
        # When
        answer = await _ask(port)
    # Then
    assert answer == (0, "")


async def test_a_service_that_is_not_ready_is_unhealthy_and_says_why() -> None:
    # Given
    health = Health(starting="waiting for the database")
    async with serving_ops(health, "127.0.0.1", 0) as port:
        # When
        code, said = await _ask(port)
    # Then
    assert code == 1
    assert "503" in said
    assert "waiting for the database" in said


async def test_silence_is_unhealthy() -> None:
    # When
    code, said = await _ask(NOBODY_S_PORT)
    # Then
    assert code == 1
    assert "refused" in said


async def test_any_other_address_can_be_asked() -> None:
    # Given
    health = Health()
    health.broken("handler", "the ledger is away")
    async with serving_ops(health, "127.0.0.1", 0) as port:
        # When
        code, _ = await _ask(NOBODY_S_PORT, f"http://127.0.0.1:{port}/livez")
    # Then
    assert code == 0
