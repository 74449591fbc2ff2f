"""What the sinks received: an append-only file of JSON lines that survives a restart, and its copy in memory."""

import asyncio
import fcntl
import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, field_serializer


class Channel(StrEnum):
    """What a person would call the way a message came."""

    EMAIL = "email"
    SMS = "sms"
    CHAT = "chat"
    WEBHOOK = "webhook"


class Marks(BaseModel):
    """What the sender wrote on the wire about a message; None where this channel carries no such mark."""

    model_config = ConfigDict(frozen=True)

    page: str | None = None
    incident: str | None = None
    kind: str | None = None
    person: str | None = None
    rung: str | None = None


class Arrival(Marks):
    """A message as a protocol hands it to the store.

    at: the sink's clock, when the whole message had been read, before any answer.
    same_as: names the message for finding duplicates: two arrivals of a channel with an equal one are one sent twice.
    delivered: False where the sink was told to lie: it looked accepted and reached nobody.
    verified: whether the signature was right; None where there was none to check or no secret to check it with.
    """

    at: AwareDatetime
    channel: Channel
    to: str
    sender: str = ""
    subject: str = ""
    text: str = ""
    ack_url: str | None = None
    message_id: str | None = None
    headers: dict[str, str] = {}
    same_as: str
    delivered: bool = True
    verified: bool | None = None

    @field_serializer("at")
    def _microseconds(self, at: datetime) -> str:
        """RFC 3339 with all six digits, also when they are zeros, so that times sort as text."""
        return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


class Received(Arrival):
    """An arrival with its number (from 1, in order of arrival) and the number of the one it repeats."""

    n: int
    duplicate_of: int | None = None


class DataFolderHeldError(RuntimeError):
    """Another process writes into this folder."""


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class Journal:
    """A file of JSON lines that is only ever appended to.

    A line is one write, so that a kill can tear at most the last line; a torn one is cut off when the file is opened.
    """

    def __init__(self, path: Path) -> None:
        """Open and lock the file, made with its folder where missing; raise DataFolderHeldError if another holds it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        # Others of this machine have no business in it: it holds acknowledge links.
        self._file = open(path, "ab+", buffering=0, opener=_private)  # noqa: SIM115  # Path.open takes no opener
        path.chmod(0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise DataFolderHeldError(f"{path.parent} is in use by other drill sinks") from error
        self._file.seek(0)
        whole, newline, _torn = self._file.read().rpartition(b"\n")
        os.ftruncate(self._file.fileno(), len(whole) + len(newline))
        self.lines_at_open: Final = tuple(whole.splitlines())

    def append(self, line: str) -> None:
        """Write one line at the end; raise OSError where the disk does not take it."""
        self._file.write(line.encode() + b"\n")

    def close(self) -> None:
        """Close the file, which gives up the lock."""
        self._file.close()


class Store:
    """All messages received, oldest first."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._all = [Received.model_validate_json(line) for line in journal.lines_at_open]
        self._first: dict[tuple[Channel, str], int] = {}
        for message in self._all:
            self._remember(message)
        self._changed = asyncio.Event()

    def add(self, arrival: Arrival) -> Received:
        """Number a message, find out whether it repeats an earlier one, and write it down before returning."""
        n, key = len(self._all) + 1, (arrival.channel, arrival.same_as)
        message = Received(**dict(arrival), n=n, duplicate_of=self._first.get(key))
        self._journal.append(message.model_dump_json())
        self._remember(message)
        self._all.append(message)
        self._changed.set()
        self._changed = asyncio.Event()
        return message

    def _remember(self, message: Received) -> None:
        """Note what a later message may repeat: only one that reached somebody, for the others were never there."""
        if message.delivered:
            self._first.setdefault((message.channel, message.same_as), message.n)

    def since(self, n: int = 0, *, undelivered: bool = False) -> list[Received]:
        """Return the messages after number n; those that reached nobody only where asked for."""
        return [m for m in self._all[n:] if m.delivered or undelivered]

    async def more_than(self, n: int) -> None:
        """Wait until there are more than n messages, delivered or not."""
        while len(self._all) <= n:
            await self._changed.wait()


_MARKS: Final = tuple(Marks.model_fields)


def marks_in(fields: Mapping[str, object], prefix: str = "") -> Marks:
    """Pick the marks out of a message's headers or data, whatever the case of their names; ignore all others."""
    lower = {name.lower(): value for name, value in fields.items()}
    found = {mark: lower.get(prefix.lower() + mark) for mark in _MARKS}
    return Marks(**{mark: str(value).strip() for mark, value in found.items() if value is not None})


def joined(pairs: Iterable[tuple[str, str]], without: frozenset[str] = frozenset()) -> dict[str, str]:
    """Return headers as one value per name (repeated ones on lines of their own), without those named (lower case)."""
    result: dict[str, str] = {}
    for name, value in pairs:
        if name.lower() not in without:
            result[name] = f"{result[name]}\n{value}" if name in result else value
    return result
