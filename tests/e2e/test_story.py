"""The spine's story through containers, nothing in between."""

import pytest

from tests.e2e.stack import Stack
from tests.faults.checks import check
from tests.faults.story import Story


@pytest.mark.timeout(400)
async def test_a_failing_erp_becomes_a_page_an_acknowledgement_and_a_closed_incident(stack: Stack) -> None:
    story = await Story.begin(stack)

    await story.run()

    await check(story)
