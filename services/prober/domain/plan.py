"""A check as this prober runs it: what to ask, how to judge it, where its samples go."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from services.prober.domain.expect import Expectations, expectations_of
from services.prober.domain.look import Request
from shared.config import SecretRef
from shared.config.slice_models import HttpProbe, ProbeCheck, ProberSlice
from shared.values import CheckId, Partition


@dataclass(frozen=True)
class Plan:
    """One `http` check, compiled."""

    check: CheckId
    partition: Partition
    every_ns: int
    host: str
    """What the cap per host counts by."""
    request: Request
    """Without its secrets: they are looked up when the probe is sent."""
    secrets: Mapping[str, SecretRef]
    expected: Expectations
    source: ProbeCheck
    """What it was compiled from: an unchanged check is left alone when the configuration changes."""


@dataclass(frozen=True)
class Heartbeat:
    """One `heartbeat` check: others ping us."""

    check: CheckId
    partition: Partition


@dataclass(frozen=True)
class Programme:
    """All there is to do, by one revision of the configuration."""

    plans: Mapping[CheckId, Plan]
    heartbeats: Mapping[CheckId, Heartbeat]
    partitions: frozenset[Partition]
    """Those with checks: each is spoken for at least once a second."""


def programme_of(slice_: ProberSlice) -> Programme:
    """Compile a slice."""
    plans = {check: _plan(check, probe, probe.http) for check, probe in slice_.checks.items() if probe.http is not None}
    heartbeats = {
        check: Heartbeat(check, probe.partition)
        for check, probe in slice_.checks.items()
        if probe.heartbeat is not None
    }
    return Programme(plans, heartbeats, frozenset(probe.partition for probe in slice_.checks.values()))


def _plan(check: CheckId, source: ProbeCheck, http: HttpProbe) -> Plan:
    request = Request(
        url=http.url,
        method=http.method,
        headers=http.headers,
        secret_headers={},
        timeout_s=source.timeout.total_seconds(),
        max_redirects=http.max_redirects,
        verify_tls=http.verify_tls,
    )
    return Plan(
        check=check,
        partition=source.partition,
        every_ns=source.every // timedelta(microseconds=1) * 1000,
        host=urlsplit(http.url).hostname or "",
        request=request,
        secrets=http.secret_headers,
        expected=expectations_of(http),
        source=source,
    )
