"""`validate`, `plan`, `apply`: from a file a person wrote to a revision every service has taken."""

import contextlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cli.system import (
    DEFAULT_DATA,
    EXIT_BAD_INPUT,
    EXIT_NOT_DONE,
    AsJson,
    Data,
    admin_bus,
    find_system,
    read_runtime,
    run,
    show,
)

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js import JetStreamContext

    from shared.config import Document
    from shared.kit.partitions import Beat
    from shared.kit.revisions import Answer, Pointer

File = Annotated[Path, typer.Argument(help="The configuration.", show_default=True)]
DEFAULT_FILE: Final = Path("hypercare.yaml")
ANSWER_WITHIN_S: Final = 15.0
_VARIABLE: Final = re.compile(rb'"env:([A-Za-z_][A-Za-z0-9_]*)"')
_ONE: Final = {
    "services": "service", "checks": "check", "rules": "rule", "people": "person", "escalations": "escalation",
}  # fmt: skip


def load_or_leave(
    file: Path,
    *,
    as_json: bool = False,
    variables: dict[str, str] | None = None,
    secrets_from: dict[str, str] | None = None,
) -> "Document":
    """Read a configuration; every mistake (with `secrets_from`: every missing secret) is printed with its place.

    Leaves with exit code 2.
    """
    from shared.config import ConfigErrors, load
    from shared.kit.settings import environment

    try:
        return load(file, {**environment(), **(variables or {})}, secrets_from=secrets_from)
    except ConfigErrors as problems:
        if as_json:
            typer.echo(json.dumps({"valid": False, "errors": [vars(e) for e in problems.errors]}, indent=2))
        else:
            for error in problems.errors:
                typer.echo(str(error), err=True)
            count = len(problems.errors)
            words = "one mistake" if count == 1 else f"{count} mistakes"
            typer.echo(f"hypercare: {words} in {file}; nothing was changed", err=True)
        raise typer.Exit(EXIT_BAD_INPUT) from None


def validate(*, file: File = DEFAULT_FILE, as_json: AsJson = False) -> None:
    """Check a configuration and print every mistake with file, line and column."""
    document = load_or_leave(file, as_json=as_json)
    counts = {name: len(getattr(document, name)) for name in ("services", "checks", "rules", "people", "escalations")}
    words = ", ".join(f"{count} {name if count != 1 else _ONE[name]}" for name, count in counts.items())
    show({"valid": True, **counts}, as_json=as_json, text=lambda: f"{file} is valid: {words}")


def plan(*, file: File = DEFAULT_FILE, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Show what `apply` would change, and how the services spread over partitions."""
    document = load_or_leave(file, as_json=as_json, variables=own_variables(data))
    old = run(_running_document(data))
    from shared.config import difference, partition_spread

    changes = difference(old, document)
    spread = {str(p): services for p, services in sorted(partition_spread(document).items())}

    def words() -> str:
        lines = [str(change) for change in changes] or ["nothing would change"]
        used = [f"  {p:>3}  {', '.join(services)}" for p, services in spread.items() if services]
        lines += ["", f"PARTITION  ({len(used)} of {len(spread)} used)", *used]
        return "\n".join(lines)

    show({"changes": [vars(c) for c in changes], "partitions": spread}, as_json=as_json, text=words)


def apply(
    *,
    file: File = DEFAULT_FILE,
    first: Annotated[bool, typer.Option("--first", help="Only where none has been applied yet.")] = False,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Make a configuration current and wait until every running service has taken or refused it."""
    document = load_or_leave(file, as_json=as_json, variables=own_variables(data))
    applied = run(_apply(data, document, only_first=first))

    def words() -> str:
        head = f"revision {applied.revision}" + (" applied" if applied.is_new else " is already current")
        lines = [f"  {who}: {what}" for who, what in sorted(applied.answers.items())]
        if first and not applied.is_new:
            lines = ["  left as it is; without --first this one would take its place"]
        elif not lines:
            lines = ["  no service runs now; each takes it when it starts"]
        elif not applied.is_taken:
            lines.append("what has not taken it goes on with its last good one; `hypercare status` shows it")
        return "\n".join([head, *lines])

    show(vars(applied), as_json=as_json, text=words)
    if not applied.is_taken:
        raise typer.Exit(EXIT_NOT_DONE)


def own_variables(data: Path) -> dict[str, str]:
    """`${HYPERCARE_URL}` and the example's own variables are what `hypercare up` gave them."""
    addresses: dict[str, str] = read_runtime(data).get("addresses", {})
    mark = "variable."
    return {name.removeprefix(mark): value for name, value in addresses.items() if name.startswith(mark)}


@dataclass(frozen=True)
class Applied:
    """What became of an apply. `answers`: replica -> `taken`, `refused, because …`, `silent`."""

    revision: int
    is_new: bool
    answers: dict[str, str]

    @property
    def is_taken(self) -> bool:
        """Whether every running replica works by it now."""
        return all(answer == "taken" for answer in self.answers.values())


async def _running_document(data: Path) -> "Document | None":
    async with admin_bus(find_system(data)) as client:
        return await applied_document(client.jetstream())


async def applied_document(js: "JetStreamContext") -> "Document | None":
    """The document of the current revision; None before the first apply."""
    from shared.config import Document
    from shared.kit.revisions import fetch_slice, read_pointer

    pointer = await read_pointer(js)
    if pointer is None:
        return None
    return Document.read_applied(await fetch_slice(js, "document", pointer.digests["document"]))


async def _apply(data: Path, document: "Document", *, only_first: bool) -> Applied:
    from shared.kit.revisions import read_pointer

    async with admin_bus(find_system(data)) as client:
        js = client.jetstream()
        if only_first and (there := await read_pointer(js)):
            return Applied(there.revision, is_new=False, answers={})
        pointer, is_new = await make_current(js, document)
        return Applied(pointer.revision, is_new, await wait_for_answers(client, pointer.revision))


async def make_current(js: "JetStreamContext", document: "Document") -> "tuple[Pointer, bool]":
    """Store a document and its slices and move the pointer, unless it is current already."""
    import hashlib

    from shared.config import slices
    from shared.kit.clock import SystemClock
    from shared.kit.revisions import move_pointer, read_pointer, store_slice

    whole = document.model_dump_json().encode()
    cut = {name: (one.digest(), one.model_dump_json().encode()) for name, one in slices(document).items()}
    cut["document"] = (hashlib.sha256(whole).hexdigest(), whole)
    digests = {name: digest for name, (digest, _) in cut.items()}
    current = await read_pointer(js)
    if current is not None and current.digests == digests:
        return current, False
    for name, (digest, body) in cut.items():
        await store_slice(js, name, digest, body)
    at = SystemClock().now().isoformat()
    return await move_pointer(js, digests, at=at, by="hypercare apply"), True


async def named_variables(js: "JetStreamContext", pointer: "Pointer") -> dict[str, set[str]]:
    """Service -> the variables its part of the configuration names as secrets.

    Also those of an older part that a replica goes back to, because it refuses the current one.
    """
    from shared.kit.errors import Transient
    from shared.kit.revisions import fetch_slice, read_answers

    wanted = {(service, digest) for service, digest in pointer.digests.items() if service != "document"}
    wanted |= {(one.service, one.digest) for one in await read_answers(js) if one.digest}
    named: dict[str, set[str]] = {}
    for service, digest in sorted(wanted):
        with contextlib.suppress(Transient):  # an older part may be gone: then nobody goes back to it
            body = await fetch_slice(js, service, digest)
            named.setdefault(service, set()).update(name.decode() for name in _VARIABLE.findall(body))
    return named


async def wait_for_answers(client: "Client", revision: int, *, within_s: float = ANSWER_WITHIN_S) -> dict[str, str]:
    """What each replica that is alive says of a revision; `silent` when it said nothing in time."""
    import asyncio

    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    js = client.jetstream()
    alive = await living_members(client)
    while True:
        answers = await _answers(js)
        said = {f"{m.service}/{m.instance}": _word(answers.get((m.service, m.instance)), revision) for m in alive}
        if "silent" not in said.values() or loop.time() > deadline:
            return said
        await asyncio.sleep(0.2)


async def living_members(client: "Client", *, watch_s: float = 1.6) -> "list[Beat]":
    """The replicas whose heartbeat moves while we watch, for at most three heartbeats."""
    import asyncio

    from shared.kit.partitions import read_members

    deadline = asyncio.get_running_loop().time() + watch_s
    first = {(b.service, b.instance): (b.nonce, b.count) for b in await read_members(client)}
    while True:
        now = [b for b in await read_members(client) if not b.leaving]
        moved = [b for b in now if first.get((b.service, b.instance)) != (b.nonce, b.count)]
        if len(moved) == len(now) or asyncio.get_running_loop().time() > deadline:
            return moved
        await asyncio.sleep(0.1)


async def _answers(js: "JetStreamContext") -> "dict[tuple[str, str], Answer]":
    from shared.kit.revisions import read_answers

    return {(a.service, a.instance): a for a in await read_answers(js)}


def _word(answer: Any, revision: int) -> str:
    if answer is None or answer.revision < revision:
        return "silent"
    return "taken" if answer.taken else f"refused, because {answer.because}"
