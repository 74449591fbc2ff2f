"""A message that will never work, kept whole with the reason (`hypercare dead list`, `dead replay`)."""

from typing import ClassVar

from pydantic import AwareDatetime, Base64Bytes

from shared.contracts.base import Message, Subject
from shared.values import stable_id


class DeadLetter(Message):
    """The original message and why its consumer gave it up."""

    subject: ClassVar[Subject] = Subject("hc.dead.v1.{stream}.{consumer}")
    ce_type: ClassVar[str] = "hypercare.dead-letter.v1"

    stream: str
    consumer: str
    original_subject: str
    original_sequence: int
    headers: dict[str, str]
    body: Base64Bytes
    reason: str
    deliveries: int
    at: AwareDatetime

    @property
    def msg_id(self) -> str:
        """A message is dead once per consumer."""
        return stable_id("dead", self.stream, self.consumer, self.original_sequence)
