"""What the configuration says about paging and stages, in the words of this service."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from shared.contracts import Addressee, Stage
from shared.values import PersonId, RuleId, ServiceId, Severity


@dataclass(frozen=True)
class Step:
    """These people at once; then, unless somebody acknowledges, `wait`. None: nothing comes after."""

    notify: tuple[PersonId, ...]
    wait: timedelta | None


@dataclass(frozen=True)
class Policy:
    """Steps in order, and `repeat` more rounds of them."""

    steps: tuple[Step, ...]
    repeat: int = 0


@dataclass(frozen=True)
class Escalation:
    """One policy per severity, who is only told, and what is left when a policy's people are gone."""

    policies: Mapping[Severity, Policy]
    tell: tuple[Addressee, ...] = ()
    default: Policy | None = None

    def policy(self, severity: Severity) -> Policy | None:
        """The policy that is meant for a severity."""
        return self.policies.get(severity) or self.default


@dataclass(frozen=True)
class Service:
    """A service, and how its incidents escalate."""

    escalation: str
    runbook: str | None = None


@dataclass(frozen=True)
class StagePlan:
    """How one stage runs. A severity that is not in a map has no such clock."""

    clock: Mapping[Severity, timedelta] = field(default_factory=dict)
    update_every: Mapping[Severity, timedelta] = field(default_factory=dict)
    checklist: tuple[str, ...] = ()
    is_gated: bool = False
    """Whether the checklist must be answered before the stage is left."""
    message: str | None = None
    watch: Mapping[Severity, timedelta] = field(default_factory=dict)


NO_PLAN = StagePlan()


@dataclass(frozen=True)
class Plan:
    """The whole of it. `people` are all who can be paged; `managers` those of them who are told of everything."""

    programme: str
    timezone: str
    url: str
    services: Mapping[ServiceId, Service]
    runbooks: Mapping[RuleId, str | None]
    """Every rule there is, with its runbook."""
    escalations: Mapping[str, Escalation]
    people: tuple[PersonId, ...]
    managers: tuple[PersonId, ...]
    stages: Mapping[Stage, StagePlan]

    def escalation(self, service: ServiceId) -> Escalation | None:
        """How incidents of a service escalate; None for a service that is not configured (any more)."""
        card = self.services.get(service)
        return self.escalations.get(card.escalation) if card else None

    def stage(self, stage: Stage) -> StagePlan:
        """How a stage runs; CLOSED has no plan."""
        return self.stages.get(stage, NO_PLAN)

    def runbook(self, service: ServiceId, rule: RuleId) -> str | None:
        """The rule's runbook, else the service's."""
        card = self.services.get(service)
        return self.runbooks.get(rule) or (card.runbook if card else None)
