"""What the configuration says about paging and stages, in the words of this service."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import zip_longest

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


def together(escalations: Sequence[Escalation]) -> Escalation | None:
    """Several escalations as one, for what concerns several services: nobody is left out, nobody is rung twice."""
    if len(escalations) <= 1:
        return next(iter(escalations), None)
    by_severity = {severity: _policies_together(one.policy(severity) for one in escalations) for severity in Severity}
    return Escalation(
        policies={severity: policy for severity, policy in by_severity.items() if policy},
        tell=tuple(dict.fromkeys(addressee for one in escalations for addressee in one.tell)),
        default=_policies_together(one.default for one in escalations),
    )


def _policies_together(given: Iterable[Policy | None]) -> Policy | None:
    """Step by step everybody whom one of them names, after the shortest of the waits; the most rounds of all."""
    policies = [policy for policy in given if policy]
    if not policies:
        return None
    repeat = max(policy.repeat for policy in policies)
    waits = [step.wait for policy in policies for step in policy.steps if step.wait]
    last = max(waits) if repeat and waits else None  # the last step may be one of a policy that does not repeat
    rows = zip_longest(*(policy.steps for policy in policies))
    return Policy(tuple(_steps_together([step for step in row if step], last) for row in rows), repeat)


def _steps_together(steps: Sequence[Step], otherwise: timedelta | None) -> Step:
    people = dict.fromkeys(person for step in steps for person in step.notify)
    return Step(tuple(people), min((step.wait for step in steps if step.wait), default=otherwise))


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
    revision: int | None = None
    """What the pages decided by it name, so that the notifier knows their addressees."""

    def escalation(self, services: Collection[ServiceId]) -> Escalation | None:
        """How an incident of these services escalates; None when none of them is configured (any more)."""
        names = {self.services[service].escalation for service in services if service in self.services}
        return together([self.escalations[name] for name in sorted(names) if name in self.escalations])

    def stage(self, stage: Stage) -> StagePlan:
        """How a stage runs; CLOSED has no plan."""
        return self.stages.get(stage, NO_PLAN)

    def runbook(self, service: ServiceId, rule: RuleId) -> str | None:
        """The rule's runbook, else the service's."""
        card = self.services.get(service)
        return self.runbooks.get(rule) or (card.runbook if card else None)
