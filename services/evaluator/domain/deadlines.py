"""A lazy wheel of one-second slots: who must be looked at when log time moves on."""

from collections.abc import Callable, Iterable
from typing import Final, Generic, Protocol, TypeVar

from services.evaluator.domain.pending import NEVER
from services.evaluator.domain.plan import SECOND_NS

UNFILED: Final = NEVER // SECOND_NS + 1


class Timed(Protocol):
    """Something with a deadline in log time."""

    filed_s: int
    """The slot it stands in; owned by the wheel, UNFILED at first."""

    @property
    def name(self) -> tuple[str, str]:
        """Decides between equal deadlines."""

    def log_deadline_ns(self) -> int:
        """The next instant of log time at which it has something to do; NEVER if none."""


Member = TypeVar("Member", bound=Timed)


class Wheel(Generic[Member]):
    """Deadlines mostly move away (each sample postpones its check's), so an entry is looked at only when it comes up.

    An entry is valid in the slot its owner says (`filed_s`); others are left-overs and are dropped when met.
    Nothing here is saved in a checkpoint: the wheel is filled again from the deadlines themselves.
    """

    __slots__ = ("_now_s", "_slots")

    def __init__(self, now_ns: int, members: Iterable[Member]) -> None:
        self._now_s = now_ns // SECOND_NS
        self._slots: dict[int, list[Member]] = {}
        for member in members:
            member.filed_s = UNFILED
            self.file(member, member.log_deadline_ns())

    def file(self, member: Member, deadline_ns: int) -> None:
        """Note a deadline if it comes earlier than the one noted; a later one is found when the old slot comes up."""
        slot = max(deadline_ns // SECOND_NS, self._now_s)
        if slot < member.filed_s:
            member.filed_s = slot
            if deadline_ns != NEVER:
                self._slots.setdefault(slot, []).append(member)

    def advance(self, now_ns: int, fire: Callable[[Member], None]) -> None:
        """Fire what is due at `now_ns` or before, in order of (deadline, name)."""
        target = now_ns // SECOND_NS
        due: list[tuple[int, tuple[str, str], Member]] = []
        looked_at: list[Member] = []
        for slot in range(self._now_s, target + 1):
            for member in self._slots.pop(slot, ()):
                if member.filed_s != slot:
                    continue
                member.filed_s = UNFILED
                looked_at.append(member)
                deadline = member.log_deadline_ns()
                if deadline <= now_ns:
                    due.append((deadline, member.name, member))
        self._now_s = max(self._now_s, target)
        for _, _, member in sorted(due, key=lambda item: item[:2]):
            fire(member)
        for member in looked_at:
            self.file(member, member.log_deadline_ns())
