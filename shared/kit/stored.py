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
BATCH_BYTES: Final = 1024 * 1024
"""A batch ends at this size: what waits to be read lies in our memory, and in the server's."""
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

    It is one server's copy that answers; one that lags behind has fewer, or none. What a message is about is in its
    headers: see `sequence_of`, `behind`, `subject_of`. Raises Transient.
    """
    start: dict[str, Any] = {"seq": sequence + 1}
    if since is not None and sequence == 0:
        start = {"start_time": since.isoformat()}
    what = {**start, "next_by_subj": subjects or stream.subjects[0], "batch": count, "max_bytes": BATCH_BYTES}
    return await ask(client, stream.name, what)


async def read_last(client: Client, stream: str, subjects: str, *, timeout: float = 1.0) -> list[Msg]:
    """The last message of each subject that matches. Raises Transient."""
    return await ask(client, stream, {"multi_last": [subjects]}, timeout=timeout)


async def ask(client: Client, stream: str, what: dict[str, Any], *, timeout: float = 2.0) -> list[Msg]:
    """Put one request to whichever server has the stream, and take its answers. Raises Transient.

    The timeout, in seconds, is for silence between two of them: a long batch on a slow line takes its time.
    """
    found: list[Msg] = []
    answers: asyncio.Queue[Msg] = asyncio.Queue()
    try:
        subscription = await client.subscribe(inbox := client.new_inbox(), cb=answers.put)
        try:
            await client.publish(f"$JS.API.DIRECT.GET.{stream}", json.dumps(what).encode(), reply=inbox)
            while (status := _status(msg := await _next(answers, timeout))) is None:
                found.append(msg)
        finally:
            with contextlib.suppress(NatsError):
                await subscription.unsubscribe()
    except (NatsError, OSError, TimeoutError) as error:
        raise Transient(f"cannot read {stream}: {error!r}") from error
    if status not in _ENDS:
        raise Transient(f"cannot read {stream}: {status} {header(msg, 'Description')}")
    return found


async def _next(answers: asyncio.Queue[Msg], timeout: float) -> Msg:
    # A timer only where we have to wait: most of a batch is there already.
    if not answers.empty():
        return answers.get_nowait()
    async with asyncio.timeout(timeout):
        return await answers.get()


def _status(msg: Msg) -> str | None:
    """What the server says of the batch; None for a stored message.

    A stored one may have any headers, `Status` among them, and no body. But the server puts its own behind them, and
    of two the last one counts: whoever published it can neither hide the sequence nor say another.
    """
    return None if header(msg, SEQUENCE) else header(msg, "Status") or "an answer of another kind"


def header(msg: Msg, name: str) -> str:
    """One header; empty when it is not there."""
    return (msg.headers or {}).get(name, "")


def sequence_of(msg: Msg) -> int:
    """Where a stored message is in its stream; 0 for one that does not say."""
    return int(header(msg, SEQUENCE) or 0)


def subject_of(msg: Msg) -> str:
    """What it was published on."""
    return header(msg, "Nats-Subject") or msg.subject


def behind(messages: list[Msg]) -> int:
    """How many more there were to be read when the last of these was."""
    return int(header(messages[-1], "Nats-Num-Pending") or 0) if messages else 0
