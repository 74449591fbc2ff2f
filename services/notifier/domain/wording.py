"""What people read: short, plain, the same facts on every channel."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.values import DeliveryId, IncidentId, PageId

GSM_LONGEST: Final = 320
"""Two text messages of the GSM alphabet; what is longer is cut before the link."""
UCS2_LONGEST: Final = 134
"""Two text messages in any other script."""

_GSM: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_DOUBLE: Final = frozenset("^{}\\[~]|€")
_PLAIN: Final = str.maketrans(
    {"–": "-", "—": "-", "„": '"', "“": '"', "”": '"', "‘": "'", "’": "'", "…": "...", "→": "->", "·": "-"}
    | {"\u00a0": " "}
)


@dataclass(frozen=True)
class Outgoing:
    """One message as a channel gets it.

    delivery: its name towards the provider, the same for every attempt. may_have_been_sent: an earlier attempt ended
    unknown; ask the provider first where it can be asked. first_tried_at: no earlier attempt is older.
    """

    delivery: DeliveryId
    page: PageId
    incident: IncidentId
    incident_name: str
    service: str
    kind: str
    severity: str
    person: str
    person_name: str
    address: str
    rung: int
    round: int
    title: str
    lines: tuple[str, ...]
    runbook: str | None
    ack_url: str | None
    requested_at: datetime
    first_tried_at: datetime
    may_have_been_sent: bool = False


def headline(message: Outgoing) -> str:
    """Return one line: `[CRITICAL] ERP is down`; updates and the all-clear carry their kind instead.

    A title that begins with that word already is left as it is.
    """
    mark = message.severity.upper() if message.kind == "page" else message.kind.upper()
    title = " ".join(message.title.split())
    return title if title.upper().startswith(mark) else f"[{mark}] {title}"


def plain_text(message: Outgoing) -> str:
    """Return the text of a mail, and of whatever has room."""
    parts = [headline(message), *message.lines, f"Incident: {message.incident_name}"]
    if message.runbook:
        parts.append(f"Runbook: {message.runbook}")
    text = "\n".join(parts)
    if message.ack_url:
        text += f"\n\nTake it, and stop the paging:\n{message.ack_url}"
    return text + "\n"


def sms_text(message: Outgoing) -> str:
    """Return a text message: the headline, what fits of the rest, and the link, which is never cut.

    In the GSM alphabet where the words can be written in it (at most 320 of its characters), else as they are (at
    most 134). A message without a link ends in a reference, so that the provider can be asked for this very one.
    """
    end = f"\n{message.ack_url}" if message.ack_url else f"\nRef {message.delivery[:8]}"
    said = "\n".join((headline(message), message.incident_name, *message.lines))
    plain = to_gsm(said)
    if plain is not None:
        return _cut(plain, GSM_LONGEST - gsm_length(end)) + end
    return said[: max(20, UCS2_LONGEST - len(end))] + end


def to_gsm(text: str) -> str | None:
    """Write a text in the GSM alphabet, dropping accents it does not have; None when letters would be lost."""
    out = []
    for char in text.translate(_PLAIN):
        if char in _GSM or char in _GSM_DOUBLE:
            out.append(char)
            continue
        bare = "".join(c for c in unicodedata.normalize("NFKD", char) if c in _GSM)
        if not bare and char.isalpha():
            return None
        out.append(bare or "?")
    return "".join(out)


def gsm_length(text: str) -> int:
    """Count a text as the network does: a few characters take two places."""
    return sum(2 if char in _GSM_DOUBLE else 1 for char in text)


def _cut(text: str, places: int) -> str:
    if gsm_length(text) <= places:
        return text
    while gsm_length(text) > places - 3:
        text = text[:-1]
    return text.rstrip() + "..."
