"""`hypercare page`: the page ledger, from request to acknowledgement."""

from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from cli.system import DEFAULT_DATA, AsJson, Data, call, clock_of, find_system, show, table

app = typer.Typer(
    name="page",
    help="Pages and how they arrived: list, show.",
    epilog="Example: hypercare page list",
    no_args_is_help=True,
)


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
    pages = _api(data, f"?{urlencode({'incident': incident})}" if incident else "")

    def words() -> str:
        rows = [
            (p["page"], p["kind"], p["addressee"], p["state"], p["incident_name"], clock_of(p["requested_at"]))
            for p in pages
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
    found = _api(data, f"/{quote(page, safe='')}")

    show(found, as_json=as_json, text=lambda: _way(found))


def _way(page: dict[str, Any]) -> str:
    """A page's way to a person, step by step."""
    lines = [f"{page['kind']} for {page['addressee']}: {page['state']} ({page['incident_name']})"]
    if stop := page["stop"]:
        by = f" by {stop['person']}" if stop["person"] else ""
        lines.append(f"  {clock_of(stop['at'])}  no send begins any more: {stop['reason']}{by}")
    for delivery in page["deliveries"]:
        lines.append(f"  {delivery['channel']} to {delivery['to']}: {delivery['state']}")
        lines += [f"    {_attempt(one)}" for one in delivery["attempts"]]
    return "\n".join(lines)


def _attempt(one: dict[str, Any]) -> str:
    outcome = (one["outcome"] or "no answer").lower()
    return f"{clock_of(one['started_at'])}  attempt {one['attempt']}  {outcome}  {one['reason'] or ''}".rstrip()
