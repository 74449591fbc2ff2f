"""The transactional outbox: a state change and the events it causes are one commit.

The replica that committed publishes at once; a sweeper takes what a dead one left. Rows of one key (an incident)
are published in their order under a lock of that key; which rows is asked as "unpublished", never as "id greater than
the last", because ids are not committed in order. Each service has a table `outbox` of this shape in its own schema:

    CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, stream_key text NOT NULL,
        subject text NOT NULL, headers text NOT NULL, body bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(), published_at timestamptz);
    CREATE INDEX outbox_unpublished ON outbox (stream_key, id) WHERE published_at IS NULL;
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import asyncpg

from shared.contracts import Message, envelope
from shared.kit.bus import Publisher
from shared.kit.errors import Transient
from shared.kit.logging import get_logger
from shared.kit.metrics import OUTBOX_PUBLISHED
from shared.kit.postgres import Connection, Queries, transaction

log = get_logger()

SQL: Final = Queries(Path(__file__).with_name("outbox.sql"))
SWEEP_EVERY_S: Final = 1.0
LEFT_BEHIND_AFTER_S: Final = 2.0
GIVE_UP_S: Final = 4.0
AT_ONCE: Final = 4
"""Keys being published at the same time. Each holds a connection until the bus has answered: with the bus away, more
would take the whole pool, and with it the acknowledgements that need no bus."""


class Outbox:
    """Puts events beside the state change, and brings them to the bus after the commit."""

    def __init__(self, db: asyncpg.Pool, publisher: Publisher, source: str) -> None:
        self._db = db
        self._publisher = publisher
        self._source = source
        self._running: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._places = asyncio.Semaphore(max(1, min(AT_ONCE, db.get_max_size() // 2)))

    async def put(self, connection: Connection, by_key: Mapping[str, Iterable[Message]]) -> None:
        """Write events inside the caller's transaction, each under its key. Call `wake(key)` after the commit."""
        said = [
            (key, m.on_subject, json.dumps(envelope(m, self._source)), m.to_json())
            for key, messages in by_key.items()
            for m in messages
        ]
        if said:
            await connection.execute(SQL["put"], *zip(*said, strict=True))

    def wake(self, key: str, *, after_s: float = 0.0) -> None:
        """After a commit: publish this key's rows in the background, now or after a moment in which more may come."""
        if after_s > 0:
            asyncio.get_running_loop().call_later(after_s, self.wake, key)
            return
        if key in self._running:
            self._again.add(key)
            return
        task = asyncio.create_task(self._flush_until_done(key), name=f"outbox:{key}")
        self._running[key] = task
        task.add_done_callback(lambda _: self._running.pop(key, None))

    async def _flush_until_done(self, key: str) -> None:
        while True:
            self._again.discard(key)
            try:
                await self.flush(key, by="committer")
            except Transient as error:
                log.warning("outbox_delayed", key=key, reason=error.reason)  # the sweeper comes back to it
                return
            if key not in self._again:
                return

    async def flush(self, key: str, *, by: str) -> int:
        """Publish a key's unpublished rows in order; returns how many. Raises Transient.

        A crash between the publish and the mark publishes again under the same `Nats-Msg-Id`: stored once.
        """
        async with self._places, transaction(self._db) as connection:
            if not await connection.fetchval(SQL["lock_key"], key):
                return 0  # another replica is at it; the sweeper looks again
            rows = await connection.fetch(SQL["unpublished_of"], key)
            for row in rows:
                await self._publisher.publish_raw(
                    row["subject"], row["body"], json.loads(row["headers"]), give_up_s=GIVE_UP_S
                )
            if rows:
                await connection.execute(SQL["mark_published"], [row["id"] for row in rows])
                OUTBOX_PUBLISHED.labels(by=by).inc(len(rows))
            return len(rows)

    async def sweep_forever(self) -> None:
        """Once a second, publish what a dead replica (or an absent bus) left; once an hour, drop what is old."""
        loop = asyncio.get_running_loop()
        tidy_at = loop.time() + 60
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            try:
                async with transaction(self._db) as connection:
                    keys = await connection.fetch(SQL["left_behind"], LEFT_BEHIND_AFTER_S)
                    if loop.time() >= tidy_at:
                        await connection.execute(SQL["sweep_published"])
                        tidy_at = loop.time() + 3600
                for row in keys:
                    await self.flush(row["stream_key"], by="sweeper")
            except Transient as error:
                log.warning("outbox_sweep_delayed", reason=error.reason)

    async def drain(self) -> None:
        """Let the publishes under way finish."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)
