"""Where an incident may go from where it stands: one table, stage x event -> stage."""

from enum import StrEnum
from typing import Final

from shared.contracts import Stage


class Happening(StrEnum):
    """What can move an incident. Facts (the first four) are never gated; the others ask `gates` first."""

    BREACHED = "breached"
    """A breach has opened in it."""
    HEALED = "healed"
    """Its last open breach has cleared, and every one of them because the system is well again."""
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    """A person says that it is mended."""
    ADVANCED = "advanced"
    """A person moves it on."""
    WATCHED = "watched"
    """The watch has passed, covered by samples."""
    ANSWERED = "answered"
    """Every question of the stage's checklist has an answer."""


_S, _H = Stage, Happening

TRANSITIONS: Final[dict[Stage, dict[Happening, Stage]]] = {
    _S.ALERT: {
        _H.BREACHED: _S.ALERT,
        _H.HEALED: _S.RESOLUTION,
        _H.ACKNOWLEDGED: _S.ASSESSMENT,
        _H.RESOLVED: _S.RESOLUTION,
        _H.ADVANCED: _S.ASSESSMENT,
        _H.ANSWERED: _S.ALERT,
    },
    _S.ASSESSMENT: {
        _H.BREACHED: _S.ASSESSMENT,
        _H.HEALED: _S.RESOLUTION,
        _H.ACKNOWLEDGED: _S.ASSESSMENT,
        _H.RESOLVED: _S.RESOLUTION,
        _H.ADVANCED: _S.RESPONSE,
        _H.ANSWERED: _S.ASSESSMENT,
    },
    _S.RESPONSE: {
        _H.BREACHED: _S.RESPONSE,
        _H.HEALED: _S.RESOLUTION,
        _H.ACKNOWLEDGED: _S.RESPONSE,
        _H.RESOLVED: _S.RESOLUTION,
        _H.ADVANCED: _S.RESOLUTION,
        _H.ANSWERED: _S.RESPONSE,
    },
    _S.RESOLUTION: {
        _H.BREACHED: _S.RESPONSE,
        _H.ACKNOWLEDGED: _S.RESOLUTION,
        _H.ADVANCED: _S.POST_MORTEM,
        _H.WATCHED: _S.POST_MORTEM,
        _H.ANSWERED: _S.RESOLUTION,
    },
    _S.POST_MORTEM: {
        _H.ACKNOWLEDGED: _S.POST_MORTEM,
        _H.ADVANCED: _S.CLOSED,
        _H.ANSWERED: _S.CLOSED,
    },
    _S.CLOSED: {},
}
"""What is not in the table cannot happen there. A breach that opens in POST_MORTEM or later is a new incident."""

OPEN_STAGES: Final = (Stage.ALERT, Stage.ASSESSMENT, Stage.RESPONSE, Stage.RESOLUTION)
"""One incident per (service, symptom) is in one of these; a fresh breach joins it."""

UNRESOLVED_STAGES: Final = (Stage.ALERT, Stage.ASSESSMENT, Stage.RESPONSE)


def next_stage(stage: Stage, happening: Happening) -> Stage | None:
    """Where this leads, perhaps to the same stage; None when it cannot happen in this stage."""
    return TRANSITIONS[stage].get(happening)
