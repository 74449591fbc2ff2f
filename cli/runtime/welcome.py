"""The screenful that `hypercare up` opens with."""

import sys
from typing import TYPE_CHECKING

from cli.runtime.installation import Installation

if TYPE_CHECKING:
    from shared.config import Document


def welcome(document: "Document", addresses: dict[str, str], home: Installation, *, with_example: bool) -> str:
    """What is watched, where to look, and what to try."""
    lines = ["", f"Hypercare is watching {document.programme}", ""]
    for name, service in document.services.items():
        checks = [f"{check_id} every {_every(check)}" for check_id, check in document.checks.items()
                  if check.service == name]  # fmt: skip
        lines.append(f"  {name:<12} {service.description or ''}: {', '.join(checks) or 'no checks'}")
    login = f"/#token={home.secrets.admin_token}" if sys.stdout.isatty() else f"   (token: {home.folder.token_file})"
    lines += ["", f"  Console    {addresses['console_url']}{login}"]
    if with_example:
        lines += [
            f"  Inbox      {addresses['inbox_url']}   what people received; open a mail, press Acknowledge",
            f"  Example    {addresses['example_url']}/health",
        ]
    lines += [
        f"  Incidents  {addresses['incidents_url']}/docs   the API",
        f"  Links      {addresses['notifier_url']}   where acknowledge links lead",
        "",
    ]
    if with_example:
        lines += [
            "Try, in another terminal:",
            "  .venv/bin/hypercare drill break errors     the ERP answers 500; the page is out at the second failure",
            "  .venv/bin/hypercare incident list          what became of it",
            "  .venv/bin/hypercare page list              who was reached, and how",
            "  .venv/bin/hypercare drill heal             and it recovers",
        ]
    else:
        lines += ["Look:  hypercare status    hypercare incident list    hypercare page list"]
    return "\n".join([*lines, "", "Ctrl-C stops everything. watching", ""])


def _every(check: object) -> str:
    from shared.values import format_duration

    every = getattr(check, "every", None) or getattr(getattr(check, "heartbeat", None), "every", None)
    return format_duration(every) if every else "heartbeat"
