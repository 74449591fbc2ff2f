"""Several escalations as one: nobody is left out, nobody is rung twice, nobody waits longer than was promised."""

from datetime import timedelta

from services.incidents.domain.plan import Escalation, Policy, Step, together
from shared.values import PersonId, Severity
from tests.unit.incidents.house import ANA, CHAT, JOAO, LI, MIRA, minutes


def escalation(*steps: tuple[tuple[PersonId, ...], timedelta | None], repeat: int = 0) -> Escalation:
    policy = Policy(tuple(Step(people, wait) for people, wait in steps), repeat)
    return Escalation({Severity.HIGH: policy}, tell=(CHAT,))


def high(*given: Escalation) -> Policy:
    merged = together(given)
    assert merged is not None
    policy = merged.policy(Severity.HIGH)
    assert policy is not None
    return policy


def test_one_alone_is_left_as_it_is() -> None:
    one = escalation(((ANA,), None))

    assert together([one]) is one
    assert together([]) is None


def test_steps_are_joined_and_the_shortest_wait_holds() -> None:
    one = escalation(((ANA,), minutes(10)), ((JOAO,), None))
    other = escalation(((LI, ANA), minutes(3)), ((MIRA,), minutes(4)), ((LI,), None))

    assert high(one, other).steps == (Step((ANA, LI), minutes(3)), Step((JOAO, MIRA), minutes(4)), Step((LI,), None))


def test_what_repeats_waits_after_its_last_step_too() -> None:
    one = escalation(((ANA,), None), ((JOAO,), None))
    other = escalation(((LI,), minutes(3)), repeat=2)

    assert high(one, other) == Policy((Step((ANA, LI), minutes(3)), Step((JOAO,), minutes(3))), repeat=2)


def test_a_severity_that_only_one_names_uses_the_others_default() -> None:
    one = escalation(((ANA,), None))
    other = Escalation({}, default=Policy((Step((LI,), None),)))

    assert high(one, other).steps == (Step((ANA, LI), None),)
    assert together([one, Escalation({})]) == Escalation(one.policies, tell=(CHAT,))
