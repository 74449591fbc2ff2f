"""`hypercare init URL`: a small configuration that works, for an address of one's own."""

import re
from pathlib import Path
from string import Template
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer

from cli.system import EXIT_BAD_INPUT, AsJson, fail, show

_TEMPLATE: Final = Template("""\
# Written by `hypercare init`. Check it with `hypercare validate`, start it with `hypercare up`.
# docs/configuration.md describes every field.
version: 1
programme: go-live
timezone: UTC
public_url: $${HYPERCARE_URL:-http://127.0.0.1:8800}
locations: [main]

services:
  $service: {description: what answers at $host, escalation: default-policy}

checks:
  $service-health:
    service: $service
    every: 5s
    timeout: 2s
    http:
      url: $url
      expect: {status: 200}

rules:
  $service-down:
    check: $service-health
    failed: {at_least: 2, of: 3}
    severity: critical
    clear: {ok_in_a_row: 2}
  $service-slow:
    check: $service-health
    p95: {of: total, over: 5m, above: {critical: 1s, high: 500ms, medium: 200ms}}
    clear: {margin: 10%}
    for: 30s

people:
  me: {name: Change Me, reach: [{email: me@example.org}]}

escalations:
  default-policy:
    default: {steps: [{notify: [me], wait: 5m}], repeat: 2}

channels:
  # The mail server of the drill, which delivers to nobody: before anybody relies on being paged, put your own in its
  # place, without `starttls: false`. If it asks for a login, add username: env:SMTP_USER, password: env:SMTP_PASSWORD
  email:
    - smtp:
        host: '$${SINK_HOST:-127.0.0.1}'
        port: '$${SINK_SMTP_PORT:-2525}'
        starttls: false
        from: hypercare@example.org
""")


def init(
    *,
    url: Annotated[str, typer.Argument(help="What to watch: its health address.", show_default=False)],
    file: Annotated[Path, typer.Option("--file", "-f", help="Where to write; - for standard output.")] = Path(
        "hypercare.yaml"
    ),
    force: Annotated[bool, typer.Option("--force", help="Write over an existing file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a small working configuration for an address."""
    host = _host_of(url)
    if host is None:
        fail(f"URL: must be a plain http:// or https:// address (got {url!r})", EXIT_BAD_INPUT)
    if "@" in urlsplit(url).netloc:
        fail(
            "URL: holds a login, which would stand in the file: leave it out, and give the check a header"
            " by reference (docs/configuration.md)",
            EXIT_BAD_INPUT,
        )
    service = re.sub(r"[^a-z0-9]+", "-", host.lower()).strip("-")[:40]
    service = service if service[:1].isalpha() else f"site-{service}"
    text = _TEMPLATE.substitute(service=service, host=host, url=url)
    if str(file) == "-":
        typer.echo(text, nl=False)
        return
    _write(file, text, force=force)
    show(
        {"file": str(file), "service": service},
        as_json=as_json,
        text=lambda: f"wrote {file}; now: set who is reached and the mail server in it, then `hypercare up -f {file}`",
    )


def _write(file: Path, text: str, *, force: bool) -> None:
    if file.exists() and not force:
        fail(f"{file} exists; --force writes over it, --file names another", EXIT_BAD_INPUT)
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{file}: {error.strerror}; `--file -` writes to standard output", EXIT_BAD_INPUT)


def _host_of(url: str) -> str | None:
    """The host of an address that may stand in YAML as it is; None for any other."""
    try:
        parts = urlsplit(url)
        is_plain = parts.scheme in {"http", "https"} and parts.port != 0 and not re.search(r"[\s\"'{}#,\[\]]", url)
    except ValueError:  # a port that is none
        return None
    return parts.hostname if is_plain else None
