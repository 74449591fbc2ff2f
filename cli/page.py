"""`hypercare page`: the page ledger, from request to acknowledgement."""

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from cli.system import DEFAULT_DATA, AsJson, Data, call, clock_of, find_system, show, step_of, table

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
    pages = _api(data, f"?{urlencode({'incident': incident}, errors='replace')}" if incident else "")

    nothing = f"no pages of an incident that is called {incident!r}" if incident else "no pages"

    def words() -> str:
        rows = [
            (p["page"], p["kind"], p["addressee"], p["state"], p["incident_name"], clock_of(p["requested_at"]))
            for p in pages
        ]
        return table(("PAGE", "KIND", "FOR", "STATE", "INCIDENT", "REQUESTED"), rows) if rows else nothing

    show(pages, as_json=as_json, text=words)


@app.command("show", epilog="Example: hypercare page show 8b0c4a1e6f2d49a7b35e90d1c27f684a")
def show_(
    *,
    page: Annotated[str, typer.Argument(help="The page's id, all of it, as `list` shows it.", show_default=False)],
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """One page with its deliveries and every attempt."""
    found = _api(data, step_of(page, "a page's id"))

    show(found, as_json=as_json, text=lambda: _way(found))


def _way(page: dict[str, Any]) -> str:
    """A page's whole story: what was asked for, each delivery's states and sends, and what ended it."""
    head = f"{page['kind']} for {page['addressee']}: {page['state']} ({page['incident_name']})"
    lines = [head, _line(page["requested_at"], f"requested: rung {page['rung']}, round {page['round']}")]
    for delivery in page["deliveries"]:
        lines.append(f"  {delivery['channel']} to {delivery['to']}: {delivery['state']}")
        lines += [f"  {_line(at, words)}" for at, words in _story(delivery)]
        if delivery["due_at"]:
            lines.append(f"    next look at it: {_exact(delivery['due_at'])}")
    if page["undeliverable_at"]:
        lines.append(_line(page["undeliverable_at"], "could not be delivered: no contact method is left"))
    if page["stop"]:
        lines.append(_line(page["stop"]["at"], f"no send begins any more: {_stop(page)}"))
    return "\n".join(lines)


def _story(delivery: dict[str, Any]) -> list[tuple[str, str]]:
    """Each state with its time and why, and which attempt by which provider and replica it was; sends without one."""
    attempts = {one["attempt"]: one for one in delivery["attempts"]}
    if not delivery["steps"]:  # a page from before steps were kept
        return [(one["started_at"], _attempt(one)) for one in delivery["attempts"]]
    return [(step["at"], _step(step, attempts.get(step["attempt"]))) for step in delivery["steps"]]


def _step(step: dict[str, Any], attempt: dict[str, Any] | None) -> str:
    words = f"{step['state']:<16}  {step['reason'] or ''}"
    if step["state"] == "sending" and attempt is not None:
        words += f"attempt {attempt['attempt']} by {attempt['provider']}, from {attempt['replica']}"
    elif step["state"] == "accepted" and attempt is not None and attempt["provider_id"]:
        words += f"as {attempt['provider_id']}"
    return words.rstrip()


def _attempt(one: dict[str, Any]) -> str:
    return f"attempt {one['attempt']}  {(one['outcome'] or 'unknown').lower()}  {one['reason'] or ''}".rstrip()


def _stop(page: dict[str, Any]) -> str:
    """Who took the incident and by which way, or why it was cancelled."""
    stop = page["stop"]
    if not stop["person"]:
        return str(stop["reason"])
    mine = next((one for one in page["deliveries"] if one["delivery"] == stop["delivery"]), None)
    which = f"the link in the {mine['channel']} to {mine['to']}" if mine else f"the link of page {stop['page']}"
    return f"acknowledged by {stop['person']} with {which if stop['reason'] == 'link' else stop['reason']}"


def _line(at: str, words: str) -> str:
    return f"  {_exact(at)}  {words}"


def _exact(instant: str) -> str:
    """An instant of an API to the millisecond: `2026-02-20 12:34:56.789Z`."""
    return f"{datetime.fromisoformat(instant):%Y-%m-%d %H:%M:%S.%f}"[:-3] + "Z"
