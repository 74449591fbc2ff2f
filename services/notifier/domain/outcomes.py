"""What came of one attempt to send, in words every channel shares."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeAlias

Who = Literal["recipient", "us"]


@dataclass(frozen=True)
class Accepted:
    """The provider has taken it. `provider_id` is its name there, to match later reports; None where there is none."""

    provider_id: str | None = None


@dataclass(frozen=True)
class Delivered:
    """The provider says that it has reached the person's device."""

    provider_id: str | None = None


@dataclass(frozen=True)
class TransientFailure:
    """Not taken, and the same may work later. `retry_in`: what the provider asked for (Retry-After)."""

    reason: str
    retry_in: timedelta | None = None


@dataclass(frozen=True)
class PermanentFailure:
    """Not taken, and never will be like this.

    who: `recipient` when this address cannot be reached; `us` when our account, credentials or request are refused,
    which is an alarm for whoever runs Hypercare and no fault of the person paged.
    """

    reason: str
    who: Who


@dataclass(frozen=True)
class Unknown:
    """It may have been taken: the answer was lost, or came too late. Never a failure, never a success."""

    reason: str


SendResult: TypeAlias = Accepted | Delivered | TransientFailure | PermanentFailure | Unknown
