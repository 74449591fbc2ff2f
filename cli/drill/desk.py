"""What every sink works with: the clock, the store, what it was told, and a way to hang up."""

import re
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from cli.drill.behaviour import Behaviour, Behaviours, Mode, Wire
from cli.drill.serving import HalfAnswer, HangUp, pause
from cli.drill.store import Store
from shared.kit.clock import Clock

_ACK_URL: Final = re.compile(r"https?://[^\s<>|\"'()]+/a/[A-Za-z0-9._~-]*[A-Za-z0-9_~-]")
_REMEMBERED: Final = 1000

REFUSALS: Final = frozenset({Mode.FAIL, Mode.REJECT, Mode.THROTTLE})


@dataclass(frozen=True)
class Attempt:
    """One message offered to a sink: what it did about it, also where it refused and stored nothing."""

    at: datetime
    wire: Wire
    to: str
    mode: Mode


@dataclass(frozen=True)
class Desk:
    """Shared by the sinks of one process. `attempts` keeps the last thousand."""

    clock: Clock
    store: Store
    behaviours: Behaviours
    hang_up: HangUp
    attempts: deque[Attempt] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    def take(self, wire: Wire, to: str) -> Behaviour:
        """Ask what to do with a message offered to a sink of one answer, and note the attempt."""
        behaviour = self.behaviours.take(wire)
        self.note(wire, to, behaviour.mode)
        return behaviour

    def note(self, wire: Wire, to: str, mode: Mode) -> None:
        """Remember that a message was offered, and what was done about it."""
        self.attempts.append(Attempt(self.clock.now(), wire, to, mode))

    async def answer(self, request: Request, behaviour: Behaviour, usual: Response) -> Response:
        """Give the usual answer to a message that was stored: late or by half, where told so."""
        if behaviour.mode is Mode.DELAY:
            await pause(request, behaviour.late_s)
        return HalfAnswer(usual, self.hang_up) if behaviour.mode is Mode.DROP else usual


def ack_url_in(text: str) -> str | None:
    """Find the acknowledge link `<public_url>/a/<token>` in a text for people; None where there is none."""
    found = _ACK_URL.search(text)
    return found[0] if found else None
