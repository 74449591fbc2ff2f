"""Characters that command whoever shows or sends a text instead of being shown."""

import re
from typing import Final

COMMANDS: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed, both sets: NUL, CR, ESC, CSI
    "\u2028\u2029"  # line and paragraph separator
    "\u202a-\u202e\u2066-\u2069"  # what turns the direction of the text around it
    "\ud800-\udfff]"  # halves of pairs, which no UTF-8 can hold
)
"""One such character. Joiners and direction marks stay: names in some scripts cannot be written without them."""
