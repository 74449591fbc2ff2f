"""The transition table, cell by cell."""

import pytest

from services.incidents.domain.stages import OPEN_STAGES, Happening, next_stage
from shared.contracts import Stage

ALERT, ASSESSMENT, RESPONSE = Stage.ALERT, Stage.ASSESSMENT, Stage.RESPONSE
RESOLUTION, POST_MORTEM, CLOSED = Stage.RESOLUTION, Stage.POST_MORTEM, Stage.CLOSED

# stage: breached, healed, acknowledged, resolved, advanced, watched, answered
EXPECTED = {
    ALERT: (ALERT, RESOLUTION, ASSESSMENT, RESOLUTION, ASSESSMENT, None, ALERT),
    ASSESSMENT: (ASSESSMENT, RESOLUTION, ASSESSMENT, RESOLUTION, RESPONSE, None, ASSESSMENT),
    RESPONSE: (RESPONSE, RESOLUTION, RESPONSE, RESOLUTION, RESOLUTION, None, RESPONSE),
    RESOLUTION: (RESPONSE, None, RESOLUTION, None, POST_MORTEM, POST_MORTEM, RESOLUTION),
    POST_MORTEM: (None, None, POST_MORTEM, None, CLOSED, None, CLOSED),
    CLOSED: (None,) * 7,
}


@pytest.mark.parametrize(
    ("stage", "happening", "expected"),
    [
        (stage, happening, cell)
        for stage, row in EXPECTED.items()
        for happening, cell in zip(Happening, row, strict=True)
    ],
)
def test_each_cell_of_the_table(stage: Stage, happening: Happening, expected: Stage | None) -> None:
    assert next_stage(stage, happening) == expected


def test_the_table_has_a_row_for_every_stage() -> None:
    assert set(EXPECTED) == set(Stage)


def test_an_incident_counts_as_open_until_its_post_mortem() -> None:
    assert list(OPEN_STAGES) == [stage for stage in Stage if stage not in {POST_MORTEM, CLOSED}]
