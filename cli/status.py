"""`hypercare status`: what runs, where, on which configuration, and where heartbeats are to be sent."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cli.system import (
    DEFAULT_DATA,
    EXIT_UNREACHABLE,
    AsJson,
    Data,
    admin_bus,
    fail,
    find_system,
    ping_key_of,
    read_runtime,
    run,
    show,
    table,
)

if TYPE_CHECKING:
    from shared.config import Document


def status(*, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Show what runs. With --json also the addresses, process ids and the token's file."""
    runtime = read_runtime(data)
    if not runtime and not find_system(data).nats_url:
        fail(f"nothing runs on {data}; start it with `hypercare up`", EXIT_UNREACHABLE)
    found = run(_status(data, runtime))
    show(found, as_json=as_json, text=lambda: _words(found))
    if any(member["state"] != "ready" for member in found["members"]):
        raise typer.Exit(1)


async def _status(data: Path, runtime: dict[str, Any]) -> dict[str, Any]:
    from cli.configuration import applied_document, living_members
    from shared.kit.revisions import read_answers, read_pointer

    async with admin_bus(find_system(data)) as client:
        js = client.jetstream()
        pointer, document = await read_pointer(js), await applied_document(js)
        answers = {(a.service, a.instance): a for a in await read_answers(js)}
        members = await living_members(client)
        states = await asyncio.gather(*(_state(member.facts.get("ops", "")) for member in members))
    rows = []
    for member, state in sorted(zip(members, states, strict=True), key=lambda pair: pair[0].instance):
        answer = answers.get((member.service, member.instance))
        said = "-" if answer is None else f"{answer.revision} {'taken' if answer.taken else 'refused'}"
        rows.append({"service": member.service, "instance": member.instance, "state": state,
                     "revision": said, "because": answer.because if answer else "", **member.facts})  # fmt: skip
    return {
        **runtime,
        "revision": pointer.revision if pointer else None,
        "members": rows,
        "heartbeats": _heartbeats(document, data, runtime),
    }


async def _state(ops_url: str) -> str:
    import httpx

    try:
        async with httpx.AsyncClient(timeout=3, trust_env=False) as client:
            answer = await client.get(f"{ops_url}/readyz")
    except httpx.HTTPError:
        return "unreachable"
    problems = answer.json().get("problems", {})
    return "ready" if not problems else "; ".join(f"{name}: {why}" for name, why in problems.items())


def _heartbeats(document: "Document | None", data: Path, runtime: dict[str, Any]) -> dict[str, str]:
    """Check -> the address that others ping. Only who may read the data folder can derive them."""
    from shared.kit.signing import ping_token

    key = ping_key_of(data)
    base = runtime.get("addresses", {}).get("prober_url", "")
    if document is None or not key:
        return {}
    checks = [check_id for check_id, check in document.checks.items() if check.heartbeat is not None]
    return {check_id: f"{base}/ping/{ping_token(key, check_id)}" for check_id in checks}


def _words(found: dict[str, Any]) -> str:
    rows = [(m["instance"], m["state"], m["revision"], str(m.get("pid", ""))) for m in found["members"]]
    lines = [f"configuration revision {found['revision']}", "", table(("INSTANCE", "STATE", "REVISION", "PID"), rows)]
    addresses = {k: v for k, v in found.get("addresses", {}).items() if "." not in k}
    if addresses:
        lines += ["", table(("WHERE", "ADDRESS"), [(k.removesuffix("_url"), v) for k, v in addresses.items()])]
    if found["heartbeats"]:
        lines += ["", table(("HEARTBEAT", "PING"), list(found["heartbeats"].items()))]
    return "\n".join(lines)
