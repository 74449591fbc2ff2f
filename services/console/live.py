"""Live updates: which parts of the page each viewer still has to be told about.

A viewer's debt is a set of names, never a queue of texts: ten changes of a part while its socket is busy are one, so
that a slow viewer costs no memory. At most four pushes a second go to each.
"""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from services.console.model import ReadModel
from services.console.model.read_model import REFRESH
from shared.kit.clock import Clock

PUSH_EVERY_S: Final = 0.25
BEAT_EVERY_S: Final = 2.0
ROWS_A_PUSH: Final = 40
"""Rows beyond that wait for the next push: a page of 5,000 checks must not fill a phone's line."""
BEHIND_S: Final = 15.0
BEHIND_PARTS: Final = 200
LONGEST_COUNT: Final = 18
"""Digits of a position that may be ours."""
REMEMBERED_PARTS: Final = 50_000

Render = Callable[[str, datetime], str | None]
"""The HTML of a part now; None when the part is not on this viewer's page."""
MayStay = Callable[[], Awaitable[bool]]


@dataclass(eq=False)
class Viewer:
    """One open page."""

    due: dict[str, None] = field(default_factory=dict)
    something: asyncio.Event = field(default_factory=asyncio.Event)
    shown: dict[str, int] = field(default_factory=dict)
    """Hash of what was last sent of the few parts that are looked at every second."""

    def owe(self, parts: Iterable[str]) -> None:
        """Note that these parts look different now."""
        self.due.update(dict.fromkeys(parts))
        self.something.set()

    def take(self) -> list[str]:
        """The parts of the next push: everything but rows, and as many rows as fit, the longest waiting first."""
        rows = [part for part in self.due if part.startswith("check.")][:ROWS_A_PUSH]
        taken = [part for part in self.due if not part.startswith("check.")] + rows
        for part in taken:
            del self.due[part]
        if not self.due:
            self.something.clear()
        return taken

    def is_news(self, part: str, html: str) -> bool:
        """Whether this differs from what was sent last; rows are always news."""
        if part.startswith("check."):
            return True
        looks = hash(html)
        if self.shown.get(part) == looks:
            return False
        self.shown[part] = looks
        return True


class Live:
    """All open pages."""

    def __init__(self, model: ReadModel, clock: Clock, recheck_every_s: float = 30.0) -> None:
        self._model = model
        self._clock = clock
        self._recheck_every_s = recheck_every_s
        self._viewers: set[Viewer] = set()
        self._closing = asyncio.Event()
        self._start = secrets.token_hex(4)
        self._count = 0
        self._changed_at: dict[str, int] = {}

    def changed(self, parts: set[str]) -> None:
        """Tell every viewer."""
        if not parts:
            return
        if len(self._changed_at) > REMEMBERED_PARTS:
            self._changed_at.clear()
            self._start = secrets.token_hex(4)  # whoever comes back reads the whole page
        self._count += 1
        self._changed_at.update(dict.fromkeys(parts, self._count))
        for viewer in self._viewers:
            viewer.owe(parts)

    @property
    def position(self) -> str:
        """How far a page drawn now is; its stream begins there, so that nothing falls between the two."""
        return f"{self._start}.{self._count}"

    def _since(self, position: str) -> set[str]:
        """What changed after a position; everything for one of another replica or start."""
        start, _, count = position.partition(".")
        if start != self._start or not count.isdecimal() or len(count) > LONGEST_COUNT:
            return {REFRESH}
        return {part for part, changed_at in self._changed_at.items() if changed_at > int(count)}

    def close(self) -> None:
        """End every stream; browsers come back by themselves, to another replica."""
        self._closing.set()
        for viewer in self._viewers:
            viewer.something.set()

    @property
    def viewers(self) -> int:
        """How many pages are open."""
        return len(self._viewers)

    @contextlib.contextmanager
    def _viewer(self) -> Iterator[Viewer]:
        viewer = Viewer()
        self._viewers.add(viewer)
        try:
            yield viewer
        finally:
            self._viewers.discard(viewer)

    async def stream(self, render: Render, may_stay: MayStay, since: str | None = None) -> AsyncIterator[str]:
        """Server-sent events for one page, until it may not stay, we stop, or the browser goes.

        `since` is the position of what the browser has; None tells it nothing of what was before.
        """
        with self._viewer() as viewer:
            if since is not None and (missed := self._since(since)):
                viewer.owe(missed)
            yield "retry: 1000\n\n" + self._beat()
            beat_at = recheck_at = pushed_at = self._clock.monotonic()
            while not self._closing.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(BEAT_EVERY_S):
                        await viewer.something.wait()
                now = self._clock.monotonic()
                if now - recheck_at >= self._recheck_every_s:
                    if not await may_stay():
                        yield _frame("bye", "")
                        return
                    recheck_at = now
                if now - pushed_at > BEHIND_S and len(viewer.due) > BEHIND_PARTS:
                    viewer.due.clear()
                    viewer.owe({REFRESH})
                frames = self._frames(viewer, render)
                if now - beat_at >= BEAT_EVERY_S:
                    frames, beat_at = frames + self._beat(), now
                if frames:
                    yield frames
                pushed_at = now
                await asyncio.sleep(PUSH_EVERY_S)

    def _frames(self, viewer: Viewer, render: Render) -> str:
        parts = viewer.take()
        # Rows that wait for the next push are not yet told: only a viewer who is owed nothing is at our position.
        here = None if viewer.due else self.position
        if REFRESH in parts:
            viewer.due.clear()
            return _frame("refresh", "", self.position)
        now = self._clock.now()
        found = [(part, render(part, now)) for part in parts]
        news = [html for part, html in found if html is not None and viewer.is_news(part, html)]
        return _frame("parts", "\n".join(news), here) if news else ""

    def _beat(self) -> str:
        heard = self._model.last_news_at
        beat = {
            "now": round(self._clock.now().timestamp() * 1000),
            "news": None if heard is None else round(heard.timestamp() * 1000),
            "deaf": self._model.is_deaf,
        }
        return _frame("beat", json.dumps(beat))


def _frame(event: str, data: str, position: str | None = None) -> str:
    """One event; a browser that comes back names the last `id` it saw."""
    lines = "\n".join(f"data: {line}" for line in data.split("\n"))
    at = f"id: {position}\n" if position else ""
    return f"event: {event}\n{at}{lines}\n\n"
