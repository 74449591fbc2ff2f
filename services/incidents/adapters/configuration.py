"""Our slice of the configuration, in the domain's words."""

import asyncio

from pydantic import ValidationError

from services.incidents.domain.plan import Escalation, Plan, Policy, Service, StagePlan, Step
from shared.config import IncidentsSlice
from shared.config.slice_models import EscalationPlan, PolicyPlan
from shared.config.slice_models import StagePlan as ConfiguredStage
from shared.config.workflow import Gate
from shared.contracts import Addressee, Stage
from shared.kit.errors import Refused, Transient
from shared.kit.revisions import Pointer

MANAGER = "manager"


class Configuration:
    """The plan that was taken last."""

    def __init__(self) -> None:
        self._plan: Plan | None = None
        self.taken = asyncio.Event()
        """Set from the first one on."""

    def plan(self) -> Plan:
        """The plan. Raises Transient before the first one was taken."""
        if self._plan is None:
            raise Transient("no configuration taken yet")
        return self._plan

    async def take(self, pointer: Pointer, data: bytes) -> None:
        """Swap to this slice. Raises Refused when it cannot be read; the last good one stays."""
        try:
            self._plan = plan_of(IncidentsSlice.model_validate_json(data), pointer.revision)
        except ValidationError as error:
            raise Refused(f"the slice of incidents cannot be read: {error.errors()[0]['msg']}") from error
        self.taken.set()


def plan_of(given: IncidentsSlice, revision: int) -> Plan:
    """Translate a slice."""
    return Plan(
        programme=given.programme,
        timezone=given.timezone,
        url=given.public_url,
        services={name: Service(card.escalation, card.runbook) for name, card in given.services.items()},
        runbooks={name: card.runbook for name, card in given.rules.items()},
        escalations={name: _escalation(one) for name, one in given.escalations.items()},
        people=tuple(given.people),
        managers=tuple(name for name, card in given.people.items() if card.role == MANAGER),
        stages={Stage(name.value): _stage(one) for name, one in given.workflow.items()},
        revision=revision,
    )


def _escalation(given: EscalationPlan) -> Escalation:
    return Escalation(
        policies={severity: _policy(policy) for severity, policy in given.policies.items()},
        tell=tuple(Addressee(channel=target.channel.value, target=target.address) for target in given.tell),
        default=_policy(given.default) if given.default else None,
    )


def _policy(given: PolicyPlan) -> Policy:
    return Policy(tuple(Step(step.notify, step.wait) for step in given.steps), given.repeat)


def _stage(given: ConfiguredStage) -> StagePlan:
    return StagePlan(
        clock=given.clock,
        update_every=given.update_every,
        checklist=given.checklist,
        is_gated=given.gate is Gate.CHECKLIST,
        message=given.message,
        watch=given.watch,
    )
