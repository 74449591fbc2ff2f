"""Reading what a stream has stored, many messages at once and without a consumer (see `shared/kit/objects.py`)."""

import asyncio
import contextlib
import json
from datetime import datetime
from typing import Any, Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from shared.contracts.streams import Stream
from shared.kit.errors import Transient

SEQUENCE: Final = "Nats-Sequence"
SUBJECT: Final = "Nats-Subject"
_ENDS: Final = {"204", "404"}
"""End of a batch; nothing there."""


async def read_after(
    client: Client,
    stream: Stream,
    sequence: int,
    *,
    since: datetime | None = None,
    count: int = 500,
    timeout: float = 2.0,
) -> list[Msg]:
    """At most `count` messages of a stream after a sequence (or, at sequence 0, since an instant), in order.

    What a message is about is in its headers `Nats-Subject` and `Nats-Sequence`. Raises Transient.
    """
    start: dict[str, Any] = {"seq": sequence + 1}
    if since is not None and sequence == 0:
        start = {"start_time": since.isoformat()}
    return await ask(client, stream.name, {**start, "next_by_subj": stream.subjects[0], "batch": count}, timeout)


async def read_last(client: Client, stream: str, subjects: str, *, timeout: float = 1.0) -> list[Msg]:
    """The last message of each subject that matches. Raises Transient."""
    return await ask(client, stream, {"multi_last": [subjects]}, timeout)


async def ask(client: Client, stream: str, what: dict[str, Any], timeout: float) -> list[Msg]:
    """Put one request to whichever server has the stream, and take its answers. Raises Transient."""
    found: list[Msg] = []
    try:
        subscription = await client.subscribe(inbox := client.new_inbox())
        try:
            await client.publish(f"$JS.API.DIRECT.GET.{stream}", json.dumps(what).encode(), reply=inbox)
            async with asyncio.timeout(timeout):
                while (status := _status(msg := await subscription.next_msg(timeout=timeout))) not in _ENDS:
                    if status:
                        raise Transient(f"cannot read {stream}: {status} {(msg.headers or {}).get('Description', '')}")
                    found.append(msg)
                return found
        finally:
            with contextlib.suppress(NatsError):
                await subscription.unsubscribe()
    except (NatsError, OSError, TimeoutError) as error:
        raise Transient(f"cannot read {stream}: {error!r}") from error


def _status(msg: Msg) -> str | None:
    return None if msg.data else (msg.headers or {}).get("Status")
