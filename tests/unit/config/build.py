"""A small whole document for tests, with a way to change it."""

from collections.abc import Mapping
from functools import cache

from shared.config import Document, parse

SMALL = """\
version: 1
programme: launch
timezone: Europe/Berlin
public_url: http://127.0.0.1:8800/
locations: [main, far]
services:
  web: {description: front end, escalation: erp, runbook: https://wiki.example.org/web}
  jobs: {escalation: erp}
checks:
  health:
    service: web
    every: 5s
    http:
      url: http://127.0.0.1:3001/health?token=1
      headers: {X-Team: erp, Authorization: env:HEALTH_TOKEN}
      expect: {status: 200, headers: {Content-Type: json}, body: {contains: ok}, json: [{path: $.status, is: ok}]}
      read: {hits: {path: $.hits, unit: ratio}, rows: {path: $.rows, unit: number}}
  backup:
    service: jobs
    heartbeat: {every: 24h, grace: 1h}
rules:
  down: {check: health, failed: {at_least: 2, of: 3}, severity: critical, symptom: outage, clear: {ok_in_a_row: 2}}
  slow:
    check: health
    p95: {of: total, over: 5m, above: {medium: 200ms, critical: 1s, high: 500ms}}
    clear: {margin: 10%}
    for: 30s
    keep_firing_for: 1m
  cold: {check: health, mean: {of: hits, over: 1m, below: {low: 80%}}, clear: {for: 2m}}
  missed: {check: backup, no_data: true, severity: high, runbook: https://wiki.example.org/backup}
people:
  ana: {name: Ana Sommer, language: de, reach: [{sms: '+4915112345678'}, {email: ana@example.org}]}
  joao: {name: João Prado, timezone: America/Sao_Paulo, role: manager, reach: [{email: joao@example.org}]}
escalations:
  erp:
    tell: [{chat: '#launch'}]
    critical: {steps: [{notify: [ana], wait: 3m}, {notify: [joao], wait: 5m}], repeat: 1}
    default: {steps: [{notify: [ana]}]}
channels:
  email: [{smtp: {host: 127.0.0.1, port: 2525, from: pager@example.org, username: env:U, password: file:/run/p}}]
  sms: [{twilio: {account: env:SID, token: env:TOKEN, from: '+4930123456'}}]
  chat: [{slack: {webhook: env:SLACK}}]
  webhook: [{url: https://events.example.org/in, secret: env:EVENTS}]
"""


def document(*changes: tuple[str, str], variables: Mapping[str, str] | None = None) -> Document:
    """Return the small document with texts replaced. Raises ConfigErrors, and KeyError when a text is not there."""
    return _parsed(changes, tuple((variables or {}).items()))


@cache
def _parsed(changes: tuple[tuple[str, str], ...], variables: tuple[tuple[str, str], ...]) -> Document:
    """Parse once: documents are frozen, and the reading of YAML is what takes the time."""
    text = SMALL
    for old, new in changes:
        if old not in text:
            raise KeyError(old)
        text = text.replace(old, new, 1)
    return parse(text, "small.yaml", dict(variables))
