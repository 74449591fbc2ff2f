"""How many SMS segments a text takes: GSM 03.38 when every character is in its alphabet, else UCS-2."""

from typing import Final

_GSM: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_TWICE: Final = frozenset("^{}\\[~]|€\f")


def segments(text: str) -> int:
    """Return 1 for up to 160 GSM or 70 UCS-2 characters; above that 153 or 67 a segment, for each carries a header."""
    if all(c in _GSM or c in _GSM_TWICE for c in text):
        length, single, part = len(text) + sum(c in _GSM_TWICE for c in text), 160, 153
    else:
        length, single, part = len(text.encode("utf-16-le")) // 2, 70, 67
    return 1 if length <= single else -(-length // part)
