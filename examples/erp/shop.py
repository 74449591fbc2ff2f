"""The business inside the example ERP: orders looked up through a cache in front of a real (small) database.

Nothing here is a constant that looks like a measurement: hit rate, query times and throughput come from lookups that
really happen, a few a second, with the popularity of orders that shops have (few asked for often, many rarely).
"""

import math
import random
import shutil
import sqlite3
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Generic, TypeVar

_ORDERS: Final = 2500
_CACHED: Final = 800
_REMEMBERED: Final = 2000
_WARM_UP: Final = 2000
_POPULARITY: Final = 1.1
_WINDOW_S: Final = 60.0
"""What the ERP says of itself is about the last minute: a healed one must not look ill for hours."""


T = TypeVar("T")


class Recent(Generic[T]):
    """What was added in the last minute, and at most so many."""

    def __init__(self) -> None:
        self._entries: deque[tuple[float, T]] = deque(maxlen=_REMEMBERED)

    def add(self, value: T) -> None:
        """Remember it for a minute."""
        self._entries.append((time.monotonic(), value))

    def values(self) -> list[T]:
        """Oldest first."""
        since = time.monotonic() - _WINDOW_S
        return [value for at, value in self._entries if at > since]


@dataclass
class Answered:
    """The last requests: how long each took, whether it went well."""

    started_at: float = field(default_factory=time.monotonic)
    _last: Recent[tuple[float, bool]] = field(default_factory=Recent)

    def add(self, took_ms: float, *, ok: bool) -> None:
        """Remember one more request."""
        self._last.add((took_ms, ok))

    def error_rate_percent(self) -> float:
        """Share of failed requests among those of the last minute, 0 to 100."""
        last = self._last.values()
        return 100 * sum(not ok for _, ok in last) / len(last) if last else 0.0

    def took_ms(self) -> list[float]:
        """Durations of the requests of the last minute, oldest first."""
        return [took for took, _ in self._last.values()]

    def per_second(self) -> float:
        """Requests a second over the last minute, or since the start where that is later."""
        return len(self._last.values()) / min(_WINDOW_S, max(time.monotonic() - self.started_at, 1.0))


class Shop:
    """Orders in SQLite behind a cache of the most recently used ones; for one thread, like the event loop around it."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)  # noqa: S311  # shoppers, not secrets
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._fill()
        self._cache: OrderedDict[int, float] = OrderedDict()
        self._hits: deque[bool] = deque(maxlen=_REMEMBERED)
        self.query_ms = Recent[float]()
        ranks = range(1, _ORDERS + 1)
        self._weights = [1 / rank**_POPULARITY for rank in ranks]
        self.look_up(_WARM_UP)
        self._hits.clear()  # a shop that opened yesterday: its cache is warm when somebody looks
        self.look_up(_WARM_UP // 4)

    def _fill(self) -> None:
        self._database.execute("CREATE TABLE line (order_id INTEGER, cents INTEGER)")
        rows = ((n % _ORDERS, self._random.randrange(100, 90_000)) for n in range(2 * _ORDERS))
        self._database.executemany("INSERT INTO line VALUES (?, ?)", rows)

    def look_up(self, count: int, lock_wait_s: float = 0.0) -> None:
        """Look up so many orders. lock_wait_s: how long each query that reaches the database waits for a lock first."""
        for order_id in self._random.choices(range(_ORDERS), self._weights, k=count):
            hit = order_id in self._cache
            self._hits.append(hit)
            if not hit:
                self._cache[order_id] = self._query(order_id, lock_wait_s)
            self._cache.move_to_end(order_id)
            if len(self._cache) > _CACHED:
                self._cache.popitem(last=False)

    def _query(self, order_id: int, lock_wait_s: float) -> float:
        began = time.perf_counter()
        (cents,) = self._database.execute("SELECT sum(cents) FROM line WHERE order_id = ?", (order_id,)).fetchone()
        # The wait is added, not slept: the loop that answers the probes runs in this thread.
        self.query_ms.add((time.perf_counter() - began + lock_wait_s) * 1000)
        return float(cents) / 100

    def hit_rate_percent(self) -> float:
        """Share of the last lookups that the cache answered, 0 to 100."""
        return 100 * sum(self._hits) / len(self._hits)


class Machine:
    """What this process and its machine use. Readings that the system does not offer are None, never zero."""

    def __init__(self) -> None:
        self._seen = (time.monotonic(), time.process_time())
        self._cpu_percent = 0.0

    def cpu_percent(self) -> float:
        """Processor time of this process since the last reading at least a second ago, 100 for one busy core."""
        now, used = time.monotonic(), time.process_time()
        before, used_before = self._seen
        if now - before >= 1:
            self._cpu_percent = 100 * (used - used_before) / (now - before)
            self._seen = (now, used)
        return self._cpu_percent

    def memory_percent(self) -> float | None:
        """Memory in use on this machine, from the kernel's own estimate of what is available (Linux only)."""
        try:
            lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        except OSError:
            return None
        kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
        return 100 * (1 - kib["MemAvailable"] / kib["MemTotal"])

    def disk_percent(self) -> float:
        """Space in use on the disk of the working directory."""
        usage = shutil.disk_usage(Path.cwd())
        return 100 * usage.used / usage.total


def percentile(values: list[float], share: float) -> float | None:
    """Interpolate linearly between the two nearest ranks; None for no values. share: 0 to 1."""
    if not values:
        return None
    ordered = sorted(values)
    rank = share * (len(ordered) - 1)
    low, rest = math.floor(rank), rank % 1
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + rest * (ordered[high] - ordered[low])
