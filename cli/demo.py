"""`hypercare demo`: one failure from the first bad answer to the closed incident, told hop by hop."""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.system import EXIT_BAD_INPUT, EXIT_NOT_DONE, fail

if TYPE_CHECKING:
    from cli.runtime.site import Site
    from cli.told import Told

KILLABLE: Final = ("prober", "evaluator", "incidents", "notifier")


def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="Tell it once, unattended, and end.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write hops, lags and what arrived.")] = None,
    kill: Annotated[
        str | None, typer.Option(help="SIGKILL this service mid-story: prober, evaluator, incidents or notifier.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="A data folder to keep; without one, a passing one.")] = None,
    scale: Annotated[str | None, typer.Option(help="Replicas, 16 of each at most: evaluator=2,prober=2")] = None,
) -> None:
    """Start everything with the example on short clocks, break it, and follow the page.

    Exit 0 only if every hop happened and every page arrived once, or as often as the ledger calls its sends unknown.
    """
    if kill is not None and kill not in KILLABLE:
        fail(f"--kill: must be one of {', '.join(KILLABLE)} (got {kill})", EXIT_BAD_INPUT)
    if data is not None:
        raise typer.Exit(_tell(data, json_file, kill, scale, once=once))
    with tempfile.TemporaryDirectory(prefix="hypercare-demo-", ignore_cleanup_errors=True) as passing:
        folder = Path(passing)
        folder.chmod(0o711)  # as root, Postgres runs as another user and must pass through
        raise typer.Exit(_tell(folder / "data", json_file, kill, scale, once=once))


def _tell(data: Path, json_file: Path | None, kill: str | None, scale: str | None, *, once: bool) -> int:
    import asyncio
    from dataclasses import replace

    from cli.runtime.example import DEMO_CONFIGURATION
    from cli.runtime.site import run
    from cli.story import tell
    from cli.up import request_of
    from shared.kit.errors import HypercareError
    from shared.kit.logging import log_beside_the_answer

    log_beside_the_answer()
    crash_file = data.parent / "crash" if kill == "notifier" else None
    request = replace(
        request_of(DEMO_CONFIGURATION, data, scale, None, example=True),
        crash_files={"notifier": crash_file} if crash_file else {},
    )
    told: list[Told] = []

    async def afterwards(site: "Site") -> None:
        told.append(await tell(site, print, kill=kill, crash_file=crash_file))
        if not once:
            print(f"\nstill up: {site.home.url('console')}  (Ctrl-C ends it)", flush=True)
            await site.supervisor.wait()

    try:
        asyncio.run(run(request, afterwards, quiet=True))
    except HypercareError as error:
        fail(str(error), EXIT_BAD_INPUT)
    if not told:
        fail("the story was interrupted", EXIT_NOT_DONE)
    if json_file is not None:
        json_file.write_text(json.dumps(told[0].to_json(), indent=2) + "\n", encoding="utf-8")
    return 0 if told[0].is_whole else EXIT_NOT_DONE
