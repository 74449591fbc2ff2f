"""`hypercare page`: the page ledger, from request to acknowledgement."""

from typing import Annotated, Any

import typer

from cli.system import DEFAULT_DATA, AsJson, Data, call, find_system, show, table

app = typer.Typer(name="page", help="Pages and how they arrived: list, show.", no_args_is_help=True)


def _api(data: Data, path: str) -> Any:
    system = find_system(data)
    return call(system.notifier_url, system.token, "GET", f"/api/v1/pages{path}")


@app.command("list", epilog="Example: hypercare page list --incident 2026-02-20-erp-down")
def list_(
    *,
    incident: Annotated[str | None, typer.Option(help="Only of this incident (id or name).")] = None,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """The pages, newest first."""
    pages = _api(data, f"?incident={incident}" if incident else "")

    def words() -> str:
        rows = [
            (p["page"], p["kind"], p["addressee"], p["state"], p["incident_name"], p["requested_at"]) for p in pages
        ]
        return table(("PAGE", "KIND", "FOR", "STATE", "INCIDENT", "REQUESTED"), rows) if rows else "no pages"

    show(pages, as_json=as_json, text=words)


@app.command("show", epilog="Example: hypercare page show 3f2a…")
def show_(
    *,
    page: Annotated[str, typer.Argument(help="The page's id.", show_default=False)],
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """One page with its deliveries and every attempt."""
    found = _api(data, f"/{page}")

    def words() -> str:
        lines = [f"{found['kind']} for {found['addressee']}: {found['state']} ({found['incident_name']})"]
        for delivery in found["deliveries"]:
            lines.append(f"  {delivery['channel']} to {delivery['to']}: {delivery['state']}")
            lines += [
                f"    {a['started_at']}  attempt {a['attempt']}  {a['outcome']}  {a.get('reason') or ''}".rstrip()
                for a in delivery["attempts"]
            ]
        return "\n".join(lines)

    show(found, as_json=as_json, text=words)
