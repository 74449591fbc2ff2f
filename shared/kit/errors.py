"""The errors of this code base.

HypercareError
├── Transient      the world may recover: try again, with back-off, for as long as it takes
├── Permanent      will never work: dead letters, with the reason
├── Refused        somebody asked for what cannot be done: said to them, nothing changed
└── Unusable       we cannot start or go on like this: one readable message, exit code 2
"""

from datetime import timedelta


class HypercareError(Exception):
    """Any error we raise on purpose."""


class Transient(HypercareError):
    """The world may recover. `retry_in` overrides the usual back-off (a provider's Retry-After, say)."""

    def __init__(self, reason: str, *, retry_in: timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_in = retry_in


class Permanent(HypercareError):
    """This will never work, however often it is tried."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Refused(HypercareError):
    """The request is understood and cannot be granted now; `reason` is for the person who asked."""

    def __init__(self, reason: str, *, code: str = "refused") -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


class Unusable(HypercareError):
    """Settings, data folder or environment make it impossible to run; the message says where, what and how to mend."""
