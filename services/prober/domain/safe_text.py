"""Text from the outside world, made fit for a sample's reason: one line, printable, short, without our secrets."""

from collections.abc import Iterable
from typing import Final

REASON_LIMIT: Final = 200
MASK: Final = "***"


def safe_text(text: str, *, limit: int = REASON_LIMIT, secrets: Iterable[str] = ()) -> str:
    """Return `text` as one printable line of at most `limit` characters.

    Secrets are masked before the cut, so that no half of one survives it. Everything unprintable becomes a space:
    control characters, line ends, bidirectional overrides, lone surrogates.
    """
    for secret in secrets:
        if secret:
            text = text.replace(secret, MASK)
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def excerpt(body: bytes, *, limit: int = 40) -> str:
    """Return how an answer begins, for a reason."""
    return safe_text(body[: limit * 4].decode("utf-8", "replace"), limit=limit)
