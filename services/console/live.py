"""Live updates: which parts of the page each viewer still has to be told about.

A viewer's debt is a set of names, never a queue of texts: ten changes of a part while its socket is busy are one, so
that a slow viewer costs no memory. At most four pushes a second go to each.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from services.console.model import ReadModel
from services.console.model.read_model import REFRESH
from shared.kit.clock import Clock

PUSH_EVERY_S: Final = 0.25
BEAT_EVERY_S: Final = 2.0
RECHECK_EVERY_S: Final = 30.0
ROWS_A_PUSH: Final = 40
"""Rows beyond that wait for the next push: a page of 5,000 checks must not fill a phone's line."""
BEHIND_S: Final = 15.0
BEHIND_PARTS: Final = 200

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

    def __init__(self, model: ReadModel, clock: Clock) -> None:
        self._model = model
        self._clock = clock
        self._viewers: set[Viewer] = set()
        self._closing = asyncio.Event()

    def changed(self, parts: set[str]) -> None:
        """Tell every viewer."""
        if parts:
            for viewer in self._viewers:
                viewer.owe(parts)

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

    async def stream(self, render: Render, may_stay: MayStay) -> AsyncIterator[str]:
        """Server-sent events for one page, until it may not stay, we stop, or the browser goes."""
        with self._viewer() as viewer:
            yield "retry: 1000\n\n" + self._beat()
            beat_at = recheck_at = pushed_at = self._clock.monotonic()
            while not self._closing.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(BEAT_EVERY_S):
                        await viewer.something.wait()
                now = self._clock.monotonic()
                if now - recheck_at >= RECHECK_EVERY_S:
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
        if REFRESH in parts:
            viewer.due.clear()
            return _frame("refresh", "")
        now = self._clock.now()
        found = [(part, render(part, now)) for part in parts]
        news = [html for part, html in found if html is not None and viewer.is_news(part, html)]
        return _frame("parts", "\n".join(news)) if news else ""

    def _beat(self) -> str:
        heard = self._model.last_news_at
        beat = {
            "now": round(self._clock.now().timestamp() * 1000),
            "news": None if heard is None else round(heard.timestamp() * 1000),
            "deaf": self._model.is_deaf,
        }
        return _frame("beat", json.dumps(beat))


def _frame(event: str, data: str) -> str:
    lines = "\n".join(f"data: {line}" for line in data.split("\n"))
    return f"event: {event}\n{lines}\n\n"
