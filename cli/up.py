"""`hypercare up`: the whole system on one machine, and nothing to configure but what it should watch."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.system import DEFAULT_DATA, EXIT_BAD_INPUT, Data, fail

if TYPE_CHECKING:
    from cli.runtime.site import Request


def up(
    *,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="The configuration; without one, the last applied, at first hypercare.yaml."),
    ] = None,
    data: Data = DEFAULT_DATA,
    scale: Annotated[str | None, typer.Option(help="Replicas, 16 of each at most: evaluator=2,prober=2")] = None,
    port: Annotated[str | None, typer.Option(help="Ports that must be these: console=9000,notifier=9001")] = None,
    example: Annotated[bool, typer.Option("--example", help="With the example ERP and the sinks.")] = False,
) -> None:
    """Start NATS, Postgres and every service, apply the configuration, and stay up until Ctrl-C."""
    run_site(request_of(file, data, scale, port, example=example))


def request_of(file: Path | None, data: Path, scale: str | None, port: str | None, *, example: bool) -> "Request":
    """Check what was asked for; leaves with exit code 2 and words when it cannot be."""
    from cli.configuration import DEFAULT_FILE
    from cli.runtime.example import CONFIGURATION
    from cli.runtime.installation import HIGHEST_PORT, MOST_REPLICAS, SERVICES, USUAL_PORTS, parse_numbers
    from cli.runtime.site import Request, has_configuration
    from shared.kit.errors import Unusable

    try:
        replicas = parse_numbers(scale, "--scale", allowed=SERVICES, most=MOST_REPLICAS)
        ports = parse_numbers(port, "--port", allowed=(*USUAL_PORTS, "nats"), most=HIGHEST_PORT)
    except Unusable as error:
        fail(str(error), EXIT_BAD_INPUT)
    if file is not None and not file.is_file():
        fail(f"{file}: no such file; `hypercare init URL` writes a small one", EXIT_BAD_INPUT)
    if file is None and not has_configuration(data):
        file = CONFIGURATION if example else DEFAULT_FILE
        if not file.is_file():
            fail(
                "no configuration yet: give one with -f FILE, write one with `hypercare init URL`,"
                " or see the example with --example",
                EXIT_BAD_INPUT,
            )
    return Request(file=file, data=data, scale=replicas, ports=ports, example=example)


def run_site(request: "Request") -> None:
    """Run until a signal; what cannot start says why in one readable message, exit code 2."""
    import asyncio

    from cli.runtime.site import run
    from shared.kit.errors import HypercareError
    from shared.kit.logging import log_beside_the_answer

    log_beside_the_answer()
    try:
        asyncio.run(run(request))
    except HypercareError as error:
        fail(str(error), EXIT_BAD_INPUT)
