"""What a story found: when each hop happened, and what arrived."""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

HOPS: Final = (
    "fault_injected", "probe_failed", "breach_opened", "incident_opened", "page_handed_over",
    "acknowledged", "healed", "breach_cleared", "resolved", "closed",
)  # fmt: skip


@dataclass
class Told:
    """What happened when."""

    at: dict[str, datetime] = field(default_factory=dict)
    received: list[dict[str, Any]] = field(default_factory=list)
    missing: str | None = None
    killed: dict[str, Any] | None = None
    """Which process was killed, and when."""
    disagreements: list[str] = field(default_factory=list)
    """Where the ledger and what arrived differ, in words."""

    @property
    def is_whole(self) -> bool:
        """Whether every hop happened, and every page arrived as often as the ledger says."""
        return self.missing is None and set(self.at) == set(HOPS) and not self.disagreements

    def lag_ms(self, first: str, last: str) -> float | None:
        """Milliseconds between two hops."""
        if first in self.at and last in self.at:
            return round((self.at[last] - self.at[first]).total_seconds() * 1000, 1)
        return None

    def to_json(self) -> dict[str, Any]:
        """Hops in their order, lags between neighbours, and what arrived at the sinks."""
        happened = [hop for hop in HOPS if hop in self.at]
        lags = {f"{one}_to_{two}": self.lag_ms(one, two) for one, two in pairwise(happened)}
        lags["probe_failed_to_page_handed_over"] = self.lag_ms("probe_failed", "page_handed_over")
        fields = ("page", "person", "rung", "channel", "kind", "at")
        return {
            "hops": [{"hop": hop, "at": self.at[hop].isoformat()} for hop in happened],
            "lags_ms": lags,
            "received_by_sinks": [{name: message.get(name) for name in fields} for message in self.received],
            "killed": self.killed,
            "missing": self.missing,
            "disagreements": self.disagreements,
        }
