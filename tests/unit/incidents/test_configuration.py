"""The slice of the configuration in our words."""

from datetime import timedelta

import pytest

from services.incidents.adapters.configuration import Configuration, plan_of
from shared.config import IncidentsSlice, parse, slices
from shared.contracts import Addressee, Stage
from shared.kit.errors import Refused, Transient
from shared.kit.revisions import Pointer
from shared.values import ServiceId, Severity
from tests.component.incidents.system import CONFIGURATION


def the_slice() -> IncidentsSlice:
    found = slices(parse(CONFIGURATION, "test.yaml", {}))["incidents"]
    assert isinstance(found, IncidentsSlice)
    return found


def test_a_slice_becomes_a_plan() -> None:
    plan = plan_of(the_slice(), 7)

    escalation = plan.escalation([ServiceId("erp-web")])
    assert escalation is not None
    assert escalation.tell == (Addressee(channel="chat", target="#erp-launch"),)
    policy = escalation.policy(Severity.CRITICAL)
    assert policy is not None
    assert policy.steps[0].wait == timedelta(seconds=1)
    assert plan.managers == ("mira",)
    assert plan.revision == 7
    assert plan.stage(Stage.RESOLUTION).watch[Severity.CRITICAL] == timedelta(seconds=3)
    assert len(plan.stage(Stage.POST_MORTEM).checklist) == 8
    assert plan.stage(Stage.RESOLUTION).is_gated


async def test_a_slice_that_cannot_be_read_leaves_the_last_good_one() -> None:
    configuration = Configuration()
    with pytest.raises(Transient):
        configuration.plan()
    await configuration.take(Pointer(1, {}), the_slice().model_dump_json().encode())

    with pytest.raises(Refused):
        await configuration.take(Pointer(2, {}), b'{"programme": 7}')

    assert configuration.plan().programme == "erp-go-live"
