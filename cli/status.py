"""`hypercare status`: what runs, where, on which configuration, and where heartbeats are to be sent."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cli.system import (
    DEFAULT_DATA,
    EXIT_NOT_DONE,
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
    from shared.kit.partitions import Beat
    from shared.kit.revisions import Answer


def status(*, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Show what runs, where, and on which configuration. Exit code 1 when a part is not well."""
    runtime = read_runtime(data)
    if not runtime and not find_system(data).nats_url:
        fail(f"nothing runs on {data}; start it with `hypercare up`", EXIT_UNREACHABLE)
    found = run(_status(data, runtime))
    show(found, as_json=as_json, text=lambda: _words(found))
    if any(member["state"] != "ready" for member in found["members"]):
        raise typer.Exit(EXIT_NOT_DONE)


async def _status(data: Path, runtime: dict[str, Any]) -> dict[str, Any]:
    from cli.configuration import applied_document, living_members
    from shared.kit.revisions import read_answers, read_pointer

    system = find_system(data)
    async with admin_bus(system) as client:
        js = client.jetstream()
        pointer, document = await read_pointer(js), await applied_document(js)
        answers = {(a.service, a.instance): a for a in await read_answers(js)}
        members = await living_members(client)
    rows = await _rows(members, answers)
    alive = {row["instance"] for row in rows}
    rows += [_absent(name) for name in _expected(runtime) if name not in alive]
    return {
        **runtime,
        "revision": pointer.revision if pointer else None,
        "members": sorted(rows, key=lambda row: (str(row["service"]), str(row["instance"]))),
        "heartbeats": _heartbeats(document, ping_key_of(data), system.prober_url),
    }


async def _rows(members: "list[Beat]", answers: "dict[tuple[str, str], Answer]") -> list[dict[str, Any]]:
    """One row for each replica whose heart beats."""
    import asyncio

    rows = []
    problems = await asyncio.gather(*(_problems(member.facts.get("ops", "")) for member in members))
    for member, (is_ready, found) in zip(members, problems, strict=True):
        answer = answers.get((member.service, member.instance))
        rows.append(
            {
                "service": member.service,
                "instance": member.instance,
                "state": _state(answer, found, is_ready=is_ready),
                "problems": found,
                "revision": "-" if answer is None else f"{answer.revision} {'taken' if answer.taken else 'refused'}",
                "works_by": answer.works_by if answer else 0,
                "because": answer.because if answer else "",
                **member.facts,
            }
        )
    return rows


def _state(answer: "Answer | None", problems: dict[str, str], *, is_ready: bool) -> str:
    """A replica with problems may be ready all the same: it answers, and some of its work fails."""
    if not is_ready:
        return "not ready"
    if problems:
        return "ready, with problems"
    return "ready" if answer is None or answer.taken else "refused"


def _expected(runtime: dict[str, Any]) -> list[str]:
    """The replicas that `hypercare up` keeps running on this machine."""
    mark = ".ops_url"
    return [name.removesuffix(mark) for name in runtime.get("addresses", {}) if name.endswith(mark)]


def _absent(instance: str) -> dict[str, Any]:
    """A replica that should run and whose heart does not beat."""
    service = instance.rpartition("-")[0]
    problems = {"heartbeat": "none: it is starting, or it died and is started again"}
    return {"service": service, "instance": instance, "state": "not running", "problems": problems,
            "revision": "-", "works_by": 0, "because": ""}  # fmt: skip


async def _problems(ops_url: str) -> tuple[bool, dict[str, str]]:
    """Whether a replica is ready, and what it says is wrong with it."""
    import httpx

    try:
        async with httpx.AsyncClient(timeout=3, trust_env=False) as client:
            answer = await client.get(f"{ops_url}/readyz")
        found: dict[str, str] = answer.json()["problems"]
    except (httpx.HTTPError, httpx.InvalidURL):
        return False, {"readyz": f"{ops_url or 'it'} does not answer"}
    except (ValueError, KeyError, TypeError):
        return False, {"readyz": f"somebody else answers at {ops_url}"}
    return answer.is_success, found


def _heartbeats(document: "Document | None", key: str, base: str) -> dict[str, str]:
    """Check -> the address that others ping. Only who has the key can derive them."""
    from shared.kit.signing import ping_token

    if document is None or not key:
        return {}
    checks = [check_id for check_id, check in document.checks.items() if check.heartbeat is not None]
    return {check_id: f"{base}/ping/{ping_token(key, check_id)}" for check_id in checks}


def _words(found: dict[str, Any]) -> str:
    members = found["members"]
    rows = [(m["service"], m["instance"], m["state"], m["revision"], str(m.get("pid", ""))) for m in members]
    revision = found["revision"]
    lines = ["no configuration yet: `hypercare apply`" if revision is None else f"configuration revision {revision}"]
    lines += ["", table(("SERVICE", "INSTANCE", "STATE", "REVISION", "PID"), rows) if rows else "no service runs"]
    for member in members:
        problems = [f"{member['instance']}: {name}: {why}" for name, why in member["problems"].items()]
        if member["revision"].endswith("refused"):
            works_by = f"works by revision {member['works_by']}" if member["works_by"] else "has none to work by"
            problems.append(f"{member['instance']}: {works_by}; refused the newest, because {member['because']}")
        lines += [typer.style(problem, fg="red") for problem in problems]
    addresses = {k: v for k, v in found.get("addresses", {}).items() if "." not in k}
    if addresses:
        lines += ["", table(("WHERE", "ADDRESS"), [(k.removesuffix("_url"), v) for k, v in addresses.items()])]
    if found["heartbeats"]:
        lines += ["", table(("HEARTBEAT", "PING (GET or POST)"), list(found["heartbeats"].items()))]
    if "token_file" in found:
        lines += ["", f"the admin's API token is in {found['token_file']}"]
    return "\n".join(lines)
