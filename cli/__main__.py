"""`hypercare`: the operator's commands, one module each. Modules import what is heavy inside their functions."""

import typer

from cli import configuration, dead, demo, incident, init, keys, migrate, page, status, token, up
from cli.drill import commands as drill

app = typer.Typer(
    name="hypercare",
    help="Watches a system after go-live, runs its incidents stage by stage, proves that every page arrived.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its help costs a quarter of a second of imports
    epilog="Start with: hypercare init https://erp.example.org/health, then hypercare up",
)

app.command("up", epilog="Example: hypercare up -f hypercare.yaml --scale evaluator=2")(up.up)
app.command("demo", epilog="Example: hypercare demo --once --json story.json")(demo.demo)
app.command("init", epilog="Example: hypercare init https://erp.example.org/health")(init.init)
app.command("validate", epilog="Example: hypercare validate hypercare.yaml")(configuration.validate)
app.command("plan", epilog="Example: hypercare plan hypercare.yaml")(configuration.plan)
app.command("apply", epilog="Example: hypercare apply hypercare.yaml")(configuration.apply)
app.command("status", epilog="Example: hypercare status --json")(status.status)
app.command("keys", epilog="Example: hypercare keys secrets")(keys.keys)
app.command("migrate", epilog="Example: hypercare migrate")(migrate.migrate)
app.add_typer(incident.app)
app.add_typer(page.app)
app.add_typer(dead.app)
app.add_typer(token.app)
app.add_typer(drill.app)


def main() -> None:
    """The console script. Commands that start or imitate other programs need more than an image installs."""
    try:
        app()
    except ModuleNotFoundError as error:
        typer.echo(
            f"hypercare: this command needs the package {error.name}, which is not installed here; "
            "the image `example` has what the drill needs, a checkout with `make setup` has everything",
            err=True,
        )
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
