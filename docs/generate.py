"""Write the documents that are generated from code, or (`--check`) say which are not current.

- `docs/contracts/*.schema.json`: one JSON Schema per message
- `docs/asyncapi.json`: every channel, message, stream and consumer as AsyncAPI 3
- `docs/contracts.md`: the same for people
- `docs/config.schema.json`: the configuration's schema for editors
- `deploy/nats/*.conf`: the bus's users and rights
"""

import json
import sys
from pathlib import Path

from shared.config import json_schema
from shared.contracts import MESSAGES, Message
from shared.contracts.asyncapi import asyncapi, stream_of
from shared.contracts.permissions import BUS_USERS
from shared.contracts.streams import BUCKETS, CONSUMERS, STREAMS
from shared.kit.bus_rights import users_block

ROOT = Path(__file__).parent.parent


def slug(message: type[Message]) -> str:
    """The file name of a message's schema: its type without the product's name."""
    return message.ce_type.removeprefix("hypercare.")


def first_line(text: str | None) -> str:
    """The sentence a class says of itself."""
    return (text or "").strip().splitlines()[0]


def contracts_page() -> str:
    """The contracts for people."""
    lines = [
        "# Contracts",
        "",
        "Generated from `shared/contracts`; the machine-readable form is [asyncapi.json](asyncapi.json). Every message",
        "is a CloudEvents 1.0 event in binary mode: attributes in `ce-` headers, JSON in the body. Readers ignore",
        "unknown fields; a breaking change is a new version of the subject.",
        "",
        "## Messages",
        "",
        "| type | subject | stream | what it says |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| [`{m.ce_type}`](contracts/{slug(m)}.schema.json) | `{m.subject.template}` | {stream_of(m)} |"
        f" {first_line(m.__doc__)} |"
        for m in MESSAGES
    ]
    lines += ["", "## Streams", "", "| stream | subjects | kept | what for |", "|---|---|---|---|"]
    lines += [
        f"| `{s.name}` | {', '.join(f'`{name}`' for name in s.subjects)} | {s.max_age_s // 3600} h | {s.purpose} |"
        for s in STREAMS
    ]
    lines += ["", "## Durable consumers", "", "| consumer | stream | service |", "|---|---|---|"]
    lines += [f"| `{c.durable}` | `{c.stream}` | {c.service} |" for c in CONSUMERS]
    lines += ["", "## Buckets", "", "| bucket | kind | what for |", "|---|---|---|"]
    lines += [f"| `{b.name}` | {'objects' if b.is_objects else 'keys'} | {b.purpose} |" for b in BUCKETS]
    lines += ["", "## Users of the bus", "", "| user | may publish | may subscribe |", "|---|---|---|"]
    lines += [
        f"| `{user.name}` | {'<br>'.join(f'`{s}`' for s in user.publish)} |"
        f" {'<br>'.join(f'`{s}`' for s in user.subscribe)} |"
        for user in BUS_USERS
    ]
    return "\n".join(lines) + "\n"


def pretty(document: object) -> str:
    """JSON as committed."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def documents() -> dict[Path, str]:
    """Every generated file with its content."""
    made = {ROOT / f"docs/contracts/{slug(m)}.schema.json": pretty(m.model_json_schema()) for m in MESSAGES}
    made[ROOT / "docs/asyncapi.json"] = pretty(asyncapi())
    made[ROOT / "docs/contracts.md"] = contracts_page()
    made[ROOT / "docs/config.schema.json"] = pretty(json_schema())
    made[ROOT / "deploy/nats/users.conf"] = users_block()
    return made


def main() -> int:
    """Write, or check; returns the exit code."""
    stale = [
        path for path, text in documents().items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if "--check" in sys.argv:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not current; run `make docs`")
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(documents()[path], encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
