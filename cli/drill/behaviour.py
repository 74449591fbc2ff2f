"""How a sink is told to misbehave, and for how many messages."""

from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict, Field


class Wire(StrEnum):
    """The protocols that can be told to misbehave, each on its own."""

    SMTP = "smtp"
    TWILIO = "twilio"
    SLACK = "slack"
    WEBHOOK = "webhook"


class Mode(StrEnum):
    """What a sink does with the next message.

    ok        takes it and says so
    fail      refuses it for now (SMTP 451, HTTP 500): a retry may work
    reject    refuses it for good (SMTP 550, Twilio 21211, Slack no_service, webhook 400)
    throttle  refuses it because of the rate (SMTP 450, HTTP 429 with Retry-After)
    delay     takes it and answers late: a client that gives up first cannot know
    drop      takes it and hangs up before the answer is complete: it arrived, the client cannot know
    lie       seems to take it, and it never reaches anybody: Twilio reports undelivered (30003; nothing at all with
              code 0), SMTP hangs up after the final dot, the others answer as always
    """

    OK = "ok"
    FAIL = "fail"
    REJECT = "reject"
    THROTTLE = "throttle"
    DELAY = "delay"
    DROP = "drop"
    LIE = "lie"


class Behaviour(BaseModel):
    """One instruction to a sink.

    times: for how many messages it holds; None until told otherwise.
    delay_s: how late `delay` answers (default 5 s), and what `throttle` writes into Retry-After (default 1 s).
    code: the code to answer with instead of the usual one; Slack takes one of its words instead of a number.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Mode = Mode.OK
    times: int | None = Field(default=None, ge=1)
    delay_s: float | None = Field(default=None, ge=0, le=600)
    code: int | str | None = None

    @property
    def late_s(self) -> float:
        """How late to answer, in seconds."""
        return _LATE_S if self.delay_s is None else self.delay_s

    @property
    def retry_after_s(self) -> int:
        """What Retry-After says, in whole seconds and never 0."""
        return max(1, round(self.delay_s or 1))

    def number(self, usual: int) -> int:
        """Return the numeric code to answer with: the one asked for, else the usual one."""
        return self.code if isinstance(self.code, int) else usual


_LATE_S: Final = 5.0
OK: Final = Behaviour()


class Behaviours:
    """What each sink has been told; counts `times` down as messages come."""

    def __init__(self) -> None:
        self._told: dict[Wire, Behaviour] = {}

    def tell(self, wire: Wire, behaviour: Behaviour) -> None:
        """Replace what this sink was told before."""
        self._told[wire] = behaviour

    def current(self) -> dict[Wire, Behaviour]:
        """Return what each sink would do with the next message."""
        return {wire: self._told.get(wire, OK) for wire in Wire}

    def take(self, wire: Wire, among: frozenset[Mode] | None = None) -> Behaviour:
        """Return what to do with one message, and count it.

        among: the modes this moment of the protocol can act on (SMTP asks once per recipient and once per mail);
        any other mode is left for its own moment, and this one is answered with `ok`.
        """
        told = self._told.get(wire, OK)
        if among is not None and told.mode not in among:
            return OK
        if told.times is not None:
            left = told.times - 1
            self._told[wire] = told.model_copy(update={"times": left}) if left else OK
        return told
