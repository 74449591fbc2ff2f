"""`hypercare incident`: look at incidents and take them through their stages, over the public API."""

from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from cli.system import DEFAULT_DATA, AsJson, Data, call, clock_of, find_system, hanging, show, step_of, table

app = typer.Typer(
    name="incident",
    help="Incidents: list, show, ack, answer, advance, resolve.",
    epilog="Example: hypercare incident list",
    no_args_is_help=True,
)

Which = Annotated[str, typer.Argument(help="The incident's id or name.", show_default=False)]


def _api(data: Data, method: str, path: str, body: dict[str, object] | None = None) -> Any:
    system = find_system(data)
    return call(system.incidents_url, system.token, method, f"/api/v1/incidents{path}", body)


def _of(which: str) -> str:
    """The path of one incident, whatever a person types."""
    return step_of(which, "an incident's id or name")


def _line(incident: dict[str, Any]) -> str:
    taken = f", acknowledged by {incident['acknowledged_by']}" if incident["acknowledged_by"] else ""
    return f"{incident['name']}: {incident['stage']}, {incident['severity']}{taken}"


def _story(incident: dict[str, Any], timeline: dict[str, Any]) -> str:
    """Everything a responder wants to see at once."""
    lines = [_line(incident), f"  {incident['summary']}"]
    lines += [typer.style(f"  {problem}", fg="red") for problem in incident["red"]]
    if incident["stage_due_at"]:
        lines.append(f"  this stage should end by {clock_of(incident['stage_due_at'])}")
    if watch := incident["watch"]:
        lines.append(
            f"  watched well for {min(watch['covered_s'], watch['needed_s']):.0f} of {watch['needed_s']:.0f} s"
        )
    if incident["runbook"]:
        lines.append(f"  runbook: {incident['runbook']}")
    lines += [f"  missing: {what}" for what in incident["gate"]]
    if incident["checklist"]:
        lines.append(f"\nCHECKLIST of {incident['stage']}   (hypercare incident answer {incident['name']} N TEXT)")
        lines += [f"  {one['item']}  {one['question']}  {one['answer'] or '-'}" for one in incident["checklist"]]
    lines.append("\nTIMELINE" + ("" if timeline["verified"] else "   ITS SEALS ARE BROKEN: somebody changed it"))
    kinds = [entry["kind"].replace("_", " ") for entry in timeline["entries"]]
    widest = max(map(len, kinds), default=0)
    lines += [
        f"  {clock_of(e['at'])}  {kind:<{widest}}  {hanging(e.get('text', ''), widest + 24)}  ({e.get('actor', '')})"
        for kind, e in zip(kinds, timeline["entries"], strict=True)
    ]
    return "\n".join(lines)


@app.command("list", epilog="Example: hypercare incident list --state open")
def list_(
    *,
    state: Annotated[str, typer.Option(help="open, closed or all.")] = "open",
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """The incidents, newest first."""
    incidents = _api(data, "GET", f"?{urlencode({'state': state}, errors='replace')}")

    def words() -> str:
        rows = [
            (
                i["name"],
                i["severity"],
                i["stage"],
                f"location {i['location']}" if i.get("location") else i["service"],
                i.get("acknowledged_by") or "-",
                clock_of(i["opened_at"]),
            )
            for i in incidents
        ]
        return table(("NAME", "SEVERITY", "STAGE", "SERVICE", "ACK BY", "OPENED"), rows) if rows else "no incidents"

    show(incidents, as_json=as_json, text=words)


@app.command("show", epilog="Example: hypercare incident show 2026-02-20-erp-down")
def show_(*, which: Which, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """One incident with its timeline."""
    incident = _api(data, "GET", _of(which))
    timeline = _api(data, "GET", f"{_of(which)}/timeline")

    show({**incident, "timeline": timeline}, as_json=as_json, text=lambda: _story(incident, timeline))


@app.command("ack", epilog="Example: hypercare incident ack 2026-02-20-erp-down")
def ack(*, which: Which, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Acknowledge: the pages stop."""
    incident = _api(data, "POST", f"{_of(which)}/acknowledge", {})
    show(incident, as_json=as_json, text=lambda: _line(incident))


@app.command("advance", epilog='Example: hypercare incident advance 2026-02-20-erp-down --reason "rollback decided"')
def advance(
    *,
    which: Which,
    reason: Annotated[str, typer.Option(help="Why, for the timeline.")] = "",
    override: Annotated[bool, typer.Option("--override", help="Pass an unmet gate; needs a reason.")] = False,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Move an incident to its next stage."""
    incident = _api(data, "POST", f"{_of(which)}/advance", {"reason": reason, "override": override})
    show(incident, as_json=as_json, text=lambda: _line(incident))


@app.command("answer", epilog='Example: hypercare incident answer 2026-02-20-erp-down 0 "the login service"')
def answer(
    *,
    which: Which,
    item: Annotated[
        str, typer.Argument(help="The number of the checklist item, as `show` lists it.", show_default=False)
    ],
    text: Annotated[str, typer.Argument(help="The answer.", show_default=False)],
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Answer one item of the current stage's checklist."""
    incident = _api(data, "POST", f"{_of(which)}/answers", {"item": item, "answer": text})
    show(incident, as_json=as_json, text=lambda: _line(incident))


@app.command("resolve", epilog='Example: hypercare incident resolve 2026-02-20-erp-down --summary "rolled back"')
def resolve(
    *,
    which: Which,
    summary: Annotated[str, typer.Option(help="What was done; everybody who was paged reads it.")],
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Say that it is mended: the watch begins."""
    incident = _api(data, "POST", f"{_of(which)}/resolve", {"summary": summary})
    show(incident, as_json=as_json, text=lambda: _line(incident))
