"""Who waits for a configuration, and for how long."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.contracts import BreachOpened, ConfigApplied, Message
from shared.kit.errors import Transient
from shared.kit.in_step import LONGEST_WAIT_S, InStep
from tests.contract.messages.examples import EXAMPLES
from tests.fakes.clock import FakeClock

HALF = timedelta(seconds=LONGEST_WAIT_S / 2)


class Replica:
    """Has looked at revision 3."""

    def __init__(self) -> None:
        self.seen = 3
        self.clock = FakeClock(datetime(2026, 2, 20, 8, 15, tzinfo=UTC))
        self.in_step = InStep(lambda: self.seen, self.clock)

    def waits(self, revision: int | None) -> bool:
        try:
            self.in_step.require(revision)
        except Transient:
            return True
        return False


def test_only_what_is_of_a_newer_revision_waits_and_until_that_was_looked_at() -> None:
    replica = Replica()
    assert [replica.waits(one) for one in (None, 1, 3, 4)] == [False, False, False, True]

    replica.seen = 4

    assert not replica.waits(4)


async def test_a_revision_that_never_comes_holds_everything_up_once_and_is_then_a_problem() -> None:
    # given a revision that was first heard of half the longest wait ago
    replica = Replica()
    assert replica.waits(4)
    replica.clock.advance(HALF)
    # then a second message of it waits no longer than the first one
    assert replica.waits(4)
    assert await replica.in_step.well() is None
    replica.clock.advance(HALF)
    assert not replica.waits(4)
    assert await replica.in_step.well() == "messages are made under revision 4; this replica is at 3"
    # and one that is newer still has a wait of its own
    assert replica.waits(5)
    # and all is well when it has come after all
    replica.seen = 5
    assert await replica.in_step.well() is None


async def test_a_handler_gets_what_need_not_wait_and_nothing_else() -> None:
    replica, got = Replica(), list[Message]()

    async def take(message: Message) -> None:
        got.append(message)

    handle = replica.in_step.before(take)
    of_no_revision = next(one for one in EXAMPLES if type(one) is BreachOpened)
    known = next(one for one in EXAMPLES if type(one) is ConfigApplied)
    newer = of_no_revision.model_copy(update={"revision": 4})

    with pytest.raises(Transient):
        await handle(newer)
    await handle(of_no_revision)
    await handle(known)

    assert got == [of_no_revision, known]
