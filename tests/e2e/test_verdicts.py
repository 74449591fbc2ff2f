"""Last of all: everything the shared stack ever said, against its own log."""

from collections import defaultdict

import pytest

from shared.contracts.breaches import BreachEvent
from tests.e2e.stack import Stack
from tests.faults.checks import everything_is_said
from tests.faults.outside import say
from tests.faults.replay import verdicts_of_the_log


@pytest.mark.timeout(600)
async def test_whatever_was_done_to_it_the_stack_said_what_a_fresh_engine_says_of_its_log(stack: Stack) -> None:
    await everything_is_said(stack)
    log = await stack.last("SAMPLES")

    said: dict[str, list[str]] = defaultdict(list)
    for one in await stack.stored("BREACHES"):
        if isinstance(one.message, BreachEvent):
            said[one.message.key.text].append(one.subject.rpartition(".")[2])
    expected = await verdicts_of_the_log(stack, log)

    assert said == expected
    say(f"  {sum(map(len, said.values()))} verdicts, as {log['SAMPLES']} records of the log have them")
