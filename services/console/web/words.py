"""Numbers, times and states as people read them."""

import math
from datetime import datetime, timedelta, tzinfo
from typing import Final

from services.console.model import CheckState
from shared.config.types import Unit
from shared.contracts import PageKind, PageState, Stage

STATE_WORDS: Final = {
    CheckState.OK: "ok",
    CheckState.FAILED: "failed",
    CheckState.UNKNOWN: "unknown",
    CheckState.PROBER_DOWN: "prober down",
    CheckState.STALE: "stale",
    CheckState.WAITING: "waiting",
}
STATE_ICONS: Final = {
    CheckState.OK: "✓",
    CheckState.FAILED: "✕",
    CheckState.UNKNOWN: "?",
    CheckState.PROBER_DOWN: "⦸",
    CheckState.STALE: "…",
    CheckState.WAITING: "·",
}
CLOCK_WORDS: Final = {
    "left": "left in this stage",
    "over": "over its time",
    "watch": "of the watch left, at least",
    "waits": "since the watch could end",
    "for": "in this stage",
}
STAGE_WORDS: Final = {
    Stage.ALERT: "Alert",
    Stage.ASSESSMENT: "Assessment",
    Stage.RESPONSE: "Response",
    Stage.RESOLUTION: "Resolution",
    Stage.POST_MORTEM: "Post-mortem",
    Stage.CLOSED: "Closed",
}
PAGE_WORDS: Final = {
    PageState.QUEUED: "queued",
    PageState.SENDING: "sending",
    PageState.UNKNOWN: "sent, perhaps: finding out",
    PageState.FAILED_TRANSIENT: "failed, trying again",
    PageState.FAILED_PERMANENT: "failed for good",
    PageState.DEAD: "given up",
    PageState.CANCELLED: "cancelled",
    PageState.ACCEPTED: "accepted by the provider",
    PageState.DELIVERED: "delivered",
    PageState.SEEN: "seen",
    PageState.ACKNOWLEDGED: "acknowledged",
}
KIND_WORDS: Final = {PageKind.PAGE: "page", PageKind.UPDATE: "update", PageKind.RESOLVED: "all-clear"}
CHANNEL_WORDS: Final = {"email": "e-mail", "sms": "SMS", "voice": "voice call", "chat": "chat", "webhook": "webhook"}

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400
_LONGEST_D: Final = 1000
_LONGEST_FIGURE: Final = 1e15
"""Beyond, digits are noise: targets say what they like, up to 1.8e308, and a row must stay a row."""


def seconds(value_s: float) -> str:
    """A measured time: `184 ms`, `1.24 s`, `12.0 s`, `2 min 5 s`; any number a target can make up has its words."""
    if math.isnan(value_s):
        return "no number"
    if abs(value_s) > _LONGEST_D * _DAY:
        return f"over {_LONGEST_D} d" if value_s > 0 else f"under -{_LONGEST_D} d"
    if value_s < 0:
        return f"-{seconds(-value_s)}"
    if value_s < 1:
        return f"{value_s * 1000:.0f} ms"
    if value_s < _MINUTE:
        return f"{value_s:.2f} s" if value_s < 10 else f"{value_s:.1f} s"  # noqa: PLR2004  # three digits either way
    return span(timedelta(seconds=value_s))


def span(value: timedelta) -> str:
    """A length of time in at most two units: `42 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`. Same words as console.js."""
    total = int(abs(value.total_seconds()))
    if total < _MINUTE:
        return f"{total} s"
    if total < _HOUR:
        return f"{total // _MINUTE} min {total % _MINUTE} s"
    if total < _DAY:
        return f"{total // _HOUR} h {total % _HOUR // _MINUTE} min"
    return f"{total // _DAY} d {total % _DAY // _HOUR} h"


def measured(value: float, unit: Unit) -> str:
    """A declared value with its unit."""
    match unit:
        case Unit.S:
            return seconds(value)
        case Unit.MS:
            return seconds(value / 1000)
        case Unit.PERCENT:
            return f"{_figure(value, 1)} %"
        case Unit.BYTES:
            return _bytes(value)
        case _:
            return f"{value:,.4g}" if abs(value) < 10_000 else _figure(value, 0)  # noqa: PLR2004  # no 1e+04 for people


def _figure(value: float, decimals: int) -> str:
    return f"{value:,.{decimals}f}" if abs(value) < _LONGEST_FIGURE else f"{value:.3g}"


def _bytes(value: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 1000:  # noqa: PLR2004  # decimal prefixes
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{_figure(value, 1)} TB"


def clock_time(at: datetime, zone: tzinfo, now: datetime) -> str:
    """`08:15:02`, with the date in front when it is not today there."""
    local = at.astimezone(zone)
    is_today = local.date() == now.astimezone(zone).date()
    return f"{local:%H:%M:%S}" if is_today else f"{local:%d %b %H:%M:%S}"


def millis(at: datetime) -> int:
    """Milliseconds since the epoch, as the page's script counts."""
    return round(at.timestamp() * 1000)
