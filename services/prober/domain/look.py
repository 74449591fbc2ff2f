"""What one look at a target brought: an answer, or the fault that kept it away. And what we make of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.values import Outcome


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask. `timeout_s` covers everything, redirects included."""

    url: str
    method: str
    headers: Mapping[str, str]
    secret_headers: Mapping[str, str]
    """Headers that are not sent on to another host when redirected."""
    timeout_s: float
    max_redirects: int
    verify_tls: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """The target answered, whatever it said."""

    status: int
    headers: Mapping[str, str]
    """Lower-case names; several of one name are joined by a comma."""
    body: bytes
    took_s: float
    phases: Mapping[str, float]
    """Seconds: dns, connect, tls, ttfb, transfer; each its own share, summed over redirects."""


@dataclass(frozen=True, slots=True)
class Fault:
    """No answer to judge: why, as a stable word and for people."""

    code: str
    reason: str
    took_s: float = 0.0
    phases: Mapping[str, float] = field(default_factory=dict)
    is_ours: bool = False
    """We could not ask at all: it tells nothing of the target."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a sample will say of this look."""

    outcome: Outcome
    took_s: float
    code: str | None = None
    reason: str | None = None
    values: Mapping[str, float] = field(default_factory=dict)


def unknown(code: str, reason: str, took_s: float = 0.0) -> Finding:
    """We cannot say how the target is: the fault is ours (ADR 0002)."""
    return Finding(Outcome.UNKNOWN, took_s, code, reason)


def faulty(fault: Fault) -> Finding:
    """The target did not answer as asked, or we were not able to ask."""
    if fault.is_ours:
        return unknown(fault.code, fault.reason, fault.took_s)
    return Finding(Outcome.FAILED, fault.took_s, fault.code, fault.reason, fault.phases)
