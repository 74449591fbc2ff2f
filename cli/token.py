"""`hypercare token`: API tokens for people and programs."""

import re
from typing import Annotated, Final

import typer

from cli.system import DEFAULT_DATA, EXIT_BAD_INPUT, AsJson, Data, admin_bus, fail, find_system, run, show

app = typer.Typer(
    name="token",
    help="API tokens for people and programs.",
    epilog="Example: hypercare token create --name ana --role responder",
    no_args_is_help=True,
)


_NAME: Final = re.compile(r"[\w.-]{1,63}")


@app.callback()
def _group() -> None:
    """Keep `create` a sub-command."""


@app.command("create", epilog="Example: hypercare token create --name ana --role responder")
def create(
    *,
    name: Annotated[str, typer.Option(help="Whose it is: a person's id, or a program's name.")],
    role: Annotated[str, typer.Option(help="viewer, responder, manager or admin.")] = "responder",
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it once; only its hash is kept."""
    from shared.kit.tokens import Role, new_token

    if not _NAME.fullmatch(name):
        fail(f"--name: must be 1 to 63 letters, digits, dots, dashes or underscores (got {name!r})", EXIT_BAD_INPUT)
    if role not in set(Role):
        fail(f"--role: must be one of {', '.join(Role)} (got {role})", EXIT_BAD_INPUT)
    token = new_token()
    run(_store(data, token, name, role))
    show({"name": name, "role": role, "token": token}, as_json=as_json, text=lambda: token)


async def _store(data: "Data", token: str, name: str, role: str) -> None:
    from shared.kit.clock import SystemClock
    from shared.kit.tokens import Role, store_token

    system = find_system(data)
    async with admin_bus(system) as client:
        if not system.token_key:
            fail("HYPERCARE_TOKEN_KEY (or _FILE) is not set: the services would not believe the token", EXIT_BAD_INPUT)
        await store_token(client.jetstream(), system.token_key, token, name, Role(role), SystemClock().now())
