"""A shop of two nginxes, ill and then well, and the configuration that watches it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.component.real_targets.certificates import Certificates
from tests.component.real_targets.illnesses import PAGES, WELL, illnesses
from tests.component.real_targets.nginx import Nginx, Ports, has_ipv6

CERTIFIED: Final = ("expired", "other_name", "nameless", "self_signed", "without_intermediate")
MENDED_BY_CONFIGURATION: Final = {"no-name", "no-tls"}
"""Here the address itself is wrong: no web server can mend that."""

CONFIGURATION: Final = """
version: 1
programme: shop
timezone: Europe/Berlin
public_url: ${{HYPERCARE_URL:-http://127.0.0.1:8800}}
locations: [main]
services:
  shop: {{description: the shop, escalation: shop, runbook: https://wiki.example.org/shop}}
checks:
  healthy: {{service: shop, every: 5s, http: {{url: "{root}/healthy"}}}}
  followed: {{service: shop, every: 5s, http: {{url: "{root}/old"}}}}
  slow: {{service: shop, every: 2s, http: {{url: "{root}/slow"}}}}
  backup: {{service: shop, heartbeat: {{every: 2s, grace: 3s}}}}
  {checks}
rules:
  healthy: {{check: healthy, failed: {{at_least: 2, of: 3}}, severity: critical}}
  followed: {{check: followed, failed: {{at_least: 2, of: 3}}, severity: critical}}
  slow:
    check: slow
    p95: {{of: total, over: 6s, above: {{critical: 10s, high: 300ms, medium: 200ms}}}}
    clear: {{margin: 10%}}
  backup: {{check: backup, no_data: true, severity: high}}
  {rules}
people:
  ana: {{name: Ana Sommer, reach: [{{email: ana@example.org}}]}}
escalations:
  shop: {{default: {{steps: [{{notify: [ana]}}]}}}}
channels:
  email: [{{smtp: {{host: 127.0.0.1, port: {smtp_port}, from: pager@example.org}}}}]
workflow:
  resolution: {{watch: 3s}}
evaluation: {{restate_every: 1s, prober_grace: 1m}}     # a starved machine is not what is looked for here
"""


@dataclass
class Shop:
    """`main` is ill at first and well later; `other` is there at first, and then is not.

    facts: ports by name, `files` that nginx serves, and the addresses of the mail sink.
    """

    folder: Path
    facts: dict[str, Any]
    certificates: Certificates
    ports: Ports
    main: Nginx
    other: Nginx

    def fall_ill(self) -> None:
        """Serve all that is wrong."""
        for name in ("main", *CERTIFIED):
            self.ports.give(self.facts[name])
        self.main.start(self._servers(is_well=False))

    def open_other(self) -> None:
        """Start the one that is well."""
        self.ports.give(self.facts["down"])
        self.other.start(_server(f"127.0.0.1:{self.facts['down']}"))

    def close_other(self) -> None:
        """Stop it; its port stays ours."""
        self.other.stop()
        self.ports.take(port=self.facts["down"])

    def get_well(self) -> None:
        """Serve everything as it should be."""
        for name in ("late", "late6"):
            if self.facts[name]:
                self.ports.give(self.facts[name])
        self.main.reload(self._servers(is_well=True))

    def _servers(self, *, is_well: bool) -> str:
        facts = self.facts
        pages = [f"location = /{one.name} {{ {WELL if is_well else one.sick.format(**facts)} }}" for one in PAGES]
        # In small pieces, so that the rate is one: 6 kB at 10 kB/s take half a second.
        slow = f"root {facts['files']}; sendfile on; sendfile_max_chunk 1k;"
        pages.append(f"location = /slow {{ {slow} {'' if is_well else 'limit_rate 10k;'} }}")
        pages.append(f"location = /healthy {{ {WELL} }} location = /old {{ return 301 /healthy; }}")
        pages.append("location / { return 404; }")
        servers = [f"server {{ listen 127.0.0.1:{facts['main']}; {' '.join(pages)} }}"]
        for name in CERTIFIED:
            pem = self.certificates.good if is_well else getattr(self.certificates, name)
            servers.append(
                _server(f"127.0.0.1:{facts[name]} ssl", f"ssl_certificate {pem}; ssl_certificate_key {pem};")
            )
        if is_well:
            servers.append(_server(f"127.0.0.1:{facts['late']}"))
            servers += [_server(f"[::1]:{facts['late6']}")] if facts["late6"] else []
        return "\n  ".join(servers)

    def configuration(self, *, is_well: bool = False) -> str:
        """What `hypercare up` watches."""
        root = f"http://127.0.0.1:{self.facts['main']}"
        checks, rules = [], []
        for one in illnesses():
            url = one.url.format(**self.facts) or f"{root}/{one.name}"
            if is_well and one.name in MENDED_BY_CONFIGURATION:
                url = f"{root}/healthy"
            http = ", ".join(filter(None, (f'url: "{url}"', one.more)))
            checks.append(f"{one.name}: {{service: shop, every: 2s, timeout: {one.timeout}, http: {{{http}}}}}")
            when = f"failed: {{at_least: 2, of: 3}}, severity: {one.severity}, clear: {{ok_in_a_row: 2}}"
            rules.append(f"{one.name}: {{check: {one.name}, {when}}}")
        return CONFIGURATION.format(
            root=root, smtp_port=self.facts["smtp_port"], checks="\n  ".join(checks), rules="\n  ".join(rules)
        )


def _server(listen: str, more: str = "") -> str:
    return f"server {{ listen {listen}; {more} location / {{ {WELL} }} }}"


def free_ports(ports: Ports) -> dict[str, int | None]:
    """A port for each thing that listens, will listen, or never does."""
    found: dict[str, int | None] = {name: ports.take() for name in ("main", *CERTIFIED, "down", "late", "nobody")}
    return {**found, "late6": ports.take("::1") if has_ipv6() else None}
