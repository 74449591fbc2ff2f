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

_ENDS: Final = {"204", "404"}
"""End of a batch; nothing there."""


async def read_after(
    client: Client,
    stream: Stream,
    sequence: int,
    *,
    since: datetime | None = None,
    subjects: str | None = None,
    count: int = 500,
) -> list[Msg]:
    """At most `count` messages of a stream after a sequence (or, at sequence 0, since an instant), in order.

    What a message is about is in its headers: see `sequence_of`, `behind`, `subject_of`. Raises Transient.
    """
    start: dict[str, Any] = {"seq": sequence + 1}
    if since is not None and sequence == 0:
        start = {"start_time": since.isoformat()}
    return await ask(client, stream.name, {**start, "next_by_subj": subjects or stream.subjects[0], "batch": count})


async def read_last(client: Client, stream: str, subjects: str, *, timeout: float = 1.0) -> list[Msg]:
    """The last message of each subject that matches. Raises Transient."""
    return await ask(client, stream, {"multi_last": [subjects]}, timeout=timeout)


async def ask(client: Client, stream: str, what: dict[str, Any], *, timeout: float = 2.0) -> list[Msg]:
    """Put one request to whichever server has the stream, and take its answers. Raises Transient."""
    found: list[Msg] = []
    end: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def take(msg: Msg) -> None:
        status = None if msg.data else header(msg, "Status")
        if not status:
            found.append(msg)
        elif not end.done():
            end.set_result(status)

    try:
        subscription = await client.subscribe(inbox := client.new_inbox(), cb=take)
        try:
            await client.publish(f"$JS.API.DIRECT.GET.{stream}", json.dumps(what).encode(), reply=inbox)
            async with asyncio.timeout(timeout):
                status = await end
        finally:
            with contextlib.suppress(NatsError):
                await subscription.unsubscribe()
    except (NatsError, OSError, TimeoutError) as error:
        raise Transient(f"cannot read {stream}: {error!r}") from error
    if status not in _ENDS:
        raise Transient(f"cannot read {stream}: {status}")
    return found


def header(msg: Msg, name: str) -> str:
    """One header; empty when it is not there."""
    return (msg.headers or {}).get(name, "")


def sequence_of(msg: Msg) -> int:
    """Where a stored message is in its stream; 0 for one that does not say."""
    return int(header(msg, "Nats-Sequence") or 0)


def subject_of(msg: Msg) -> str:
    """What it was published on."""
    return header(msg, "Nats-Subject") or msg.subject


def behind(messages: list[Msg]) -> int:
    """How many more there were to be read when the last of these was."""
    return int(header(messages[-1], "Nats-Num-Pending") or 0) if messages else 0
