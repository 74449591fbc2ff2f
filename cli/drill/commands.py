"""`hypercare drill`: break and heal the example, run the sinks, and tell them to misbehave.

Heavy modules are imported inside the commands, so that `--help` answers at once.
"""

import json
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

app = typer.Typer(
    name="drill",
    help="Practise: break the example on purpose and see who gets paged.",
    epilog="Example: hypercare drill break slow",
    no_args_is_help=True,
)

MODES: Final = ("slow", "errors", "hang", "refuse")
_DATA: Final = Path(".hypercare")
_TIMEOUT_S: Final = 10.0
_WHERE: Final = "env:NAME|file:/PATH"
"""Arguments of a process are there for everybody to read: they say where a secret is, never what it is."""

Data = Annotated[Path, typer.Option("--data", help="The data folder of `hypercare up`.")]
Target = Annotated[
    str | None,
    typer.Option(
        "--target", envvar="HYPERCARE_DRILL_TARGET", help="The example's switchboard; else from the data folder."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]


class DrillError(Exception):
    """What a person must know when a drill cannot do what it was asked. `code`: as every command's, 3 = unreachable."""

    def __init__(self, words: str, code: int = 3) -> None:
        super().__init__(words)
        self.code = code


def break_target(admin_url: str, mode: str, delay_ms: int | None = None) -> dict[str, object]:
    """Make the example slow, errors, hang or refuse; it is so on return. Raises DrillError."""
    wanted: dict[str, object] = {"mode": mode}
    if delay_ms is not None:
        wanted["delay_ms"] = delay_ms
    return _put(f"{admin_url}/switch", wanted)


def heal(admin_url: str) -> dict[str, object]:
    """Make the example healthy again; it is so on return. Raises DrillError."""
    return break_target(admin_url, "healthy")


def behave(sinks_url: str, wire: str, behaviour: dict[str, object]) -> dict[str, object]:
    """Tell the smtp, twilio, slack or webhook sink what to do with the next messages. Raises DrillError."""
    return _put(f"{sinks_url}/behave/{wire}", behaviour)


def address_in(data: Path, name: str) -> str:
    """Find an address in the `runtime.json` of a data folder, like `example_admin_url`. Raises DrillError."""
    path = data / "runtime.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["addresses"][name]
    except OSError as error:
        raise DrillError(f"{path}: {error.strerror}; is `hypercare up` running? --data names its folder") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DrillError(f"{path} has no {name}: the example was not started with this folder") from error
    return str(found)


def _put(url: str, body: dict[str, object]) -> dict[str, object]:
    import httpx  # late: costs a tenth of a second

    try:
        answer = httpx.put(url, json=body, timeout=_TIMEOUT_S, trust_env=False)
    except httpx.HTTPError as error:
        raise DrillError(f"{url}: {error}") from error
    said: dict[str, object] = answer.json() if "json" in answer.headers.get("Content-Type", "") else {}
    if answer.is_error:
        raise DrillError(f"{url}: {answer.status_code}: {said.get('error', answer.reason_phrase)}", code=1)
    return said


@app.command("break", epilog="Example: hypercare drill break slow")
def break_command(
    *,
    mode: Annotated[str, typer.Argument(help="slow, errors, hang or refuse", show_default=False)],
    target: Target = None,
    delay_ms: Annotated[int | None, typer.Option(help="How late `slow` answers.", min=0, max=120_000)] = None,
    data: Data = _DATA,
    as_json: AsJson = False,
) -> None:
    """Make the example slow, failing, hanging or refusing connections, until healed."""
    if mode not in MODES:
        raise typer.BadParameter(f"{mode!r}: one of {', '.join(MODES)}", param_hint="MODE")
    try:
        said = break_target(target or address_in(data, "example_admin_url"), mode, delay_ms)
    except DrillError as error:
        _give_up(error)
    print(json.dumps(said) if as_json else f"The example is now broken: {mode}. Heal it with: hypercare drill heal")


@app.command("heal", epilog="Example: hypercare drill heal")
def heal_command(*, target: Target = None, data: Data = _DATA, as_json: AsJson = False) -> None:
    """Make the example healthy again."""
    try:
        said = heal(target or address_in(data, "example_admin_url"))
    except DrillError as error:
        _give_up(error)
    print(json.dumps(said) if as_json else "The example is healthy again.")


@app.command("behave", epilog="Example: hypercare drill behave smtp fail --times 2")
def behave_command(
    *,
    wire: Annotated[str, typer.Argument(help="smtp, twilio, slack or webhook", show_default=False)],
    mode: Annotated[str, typer.Argument(help="ok, fail, reject, throttle, delay, drop or lie", show_default=False)],
    times: Annotated[int | None, typer.Option(help="For so many messages; else until told otherwise.", min=1)] = None,
    delay_s: Annotated[float | None, typer.Option(help="How late `delay` answers; Retry-After of `throttle`.")] = None,
    code: Annotated[str | None, typer.Option(help="Answer with this code (Slack: this word).")] = None,
    sinks: Annotated[
        str | None,
        typer.Option("--sinks", envvar="HYPERCARE_DRILL_SINKS", help="The sinks' address; else from the data folder."),
    ] = None,
    data: Data = _DATA,
    as_json: AsJson = False,
) -> None:
    """Tell a sink to fail, reject, throttle, delay, drop or lie."""
    given = {"times": times, "delay_s": delay_s, "code": int(code) if code and code.isdecimal() else code}
    behaviour: dict[str, object] = {"mode": mode} | {name: value for name, value in given.items() if value is not None}
    try:
        said = behave(sinks or address_in(data, "sinks_url"), wire, behaviour)
    except DrillError as error:
        _give_up(error)
    print(json.dumps(said) if as_json else f"The {wire} sink will {mode} {_how_often(times)}.")


@app.command("sinks", epilog="Example: hypercare drill sinks --data .hypercare/sinks")
def sinks_command(
    *,
    data: Annotated[Path, typer.Option("--data", help="Where to keep what arrives.")] = _DATA / "sinks",
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    smtp_port: Annotated[int, typer.Option(help="0: the one used before, else a free one.", min=0, max=65_535)] = 0,
    http_port: Annotated[int, typer.Option(help="0: the one used before, else a free one.", min=0, max=65_535)] = 0,
    starttls: Annotated[bool, typer.Option("--starttls", help="Offer STARTTLS with a certificate of our own.")] = False,
    smtp_login: Annotated[
        str | None, typer.Option(metavar=_WHERE, help="Ask for the login USER:PASSWORD that is there.")
    ] = None,
    webhook_secret: Annotated[
        str | None, typer.Option(metavar=_WHERE, help="Check webhooks' signatures with the secret that is there.")
    ] = None,
) -> None:
    """Run local mail, SMS, chat and webhook endpoints that show what arrived, until Ctrl-C."""
    from cli.drill.sinks import Options, login_at, run  # late: the servers cost half a second
    from shared.kit.errors import Unusable
    from shared.kit.settings import secret_value

    try:
        login = login_at(smtp_login) if smtp_login else None
        secret = secret_value(webhook_secret) if webhook_secret else None
    except Unusable as error:
        _give_up(DrillError(str(error), code=2))
    raise typer.Exit(run(Options(data, host, smtp_port, http_port, starttls, login, secret)))


def _how_often(times: int | None) -> str:
    return "until told otherwise" if times is None else "once" if times == 1 else f"{times} times"


def _give_up(error: DrillError) -> NoReturn:
    typer.echo(f"drill: {error}", err=True)
    raise typer.Exit(error.code) from error
