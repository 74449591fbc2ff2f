"""Who is rung, and who after them.

Rungs are chained: the wait for the next one counts from the hand-over of the last, so an outage of ours never fires
three at once. A rung that nobody could be reached on gives way at once; one that we were late for waits for proof that
the breach is still there.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from services.incidents.domain import telling
from services.incidents.domain.change import Change
from services.incidents.domain.incident import Due, DueKind, Page
from services.incidents.domain.plan import Plan, Policy, Step
from shared.contracts import IncidentUpdated, PageKind, page_id
from shared.values import PersonId, ServiceId, Severity, format_duration

NO_PROOF: Final = timedelta(seconds=60)
"""What a rung may take longer when the notifier has the page and cannot prove that anybody was reached."""
TOO_LATE: Final = timedelta(seconds=10)
"""A rung overdue by more was held up by an outage: the world may have changed meanwhile."""
LONGEST_WAIT_FOR_PROOF: Final = timedelta(seconds=90)
STALE_UPDATE: Final = timedelta(hours=1)
"""How things stood then is of no use to anybody now."""
ABSENCE: Final = timedelta(seconds=5)
"""How long a breach that an open set no longer lists is left for its own message to arrive."""


@dataclass(frozen=True)
class Rung:
    """Whom to ring now. `is_stand_in`: nobody whom the policy names here is configured any more."""

    people: tuple[PersonId, ...]
    wait: timedelta | None
    is_stand_in: bool = False


def policy_of(plan: Plan, services: Collection[ServiceId], severity: Severity) -> Policy:
    """The policy in force; for services that are gone, or a severity without one, one empty step: see `rung_at`."""
    escalation = plan.escalation(services)
    policy = escalation.policy(severity) if escalation else None
    return policy or Policy((Step((), None),))


def rung_at(plan: Plan, services: Collection[ServiceId], severity: Severity, index: int) -> Rung | None:
    """Whom step `index` rings: the people it names who are still configured, else stand-ins, never nobody.

    Stand-ins are the first step of the default policy that has anybody, else the managers, else everyone. None: the
    policy has no such step.
    """
    steps = policy_of(plan, services, severity).steps
    if index >= len(steps):
        return None
    step = steps[index]
    known = tuple(person for person in step.notify if person in plan.people)
    if known:
        return Rung(known, step.wait)
    return Rung(_stand_ins(plan, services), step.wait, is_stand_in=True)


def _stand_ins(plan: Plan, services: Collection[ServiceId]) -> tuple[PersonId, ...]:
    escalation = plan.escalation(services)
    default = escalation.default if escalation else None
    for step in default.steps if default else ():
        if known := tuple(person for person in step.notify if person in plan.people):
            return known
    return plan.managers or plan.people


def start(change: Change, *, new_round: bool) -> Change:
    """Begin the policy of the present severity at its first rung."""
    it = change.incident
    policy = policy_of(change.plan, it.services, it.severity)
    started = change.set(
        paging_severity=it.severity,
        round=it.round + 1 if new_round else it.round,
        rung=0,
        rounds_left=policy.repeat,
        is_exhausted=False,
    )
    return _ring(started)


def widen(change: Change) -> Change:
    """It concerns more services now: ring whom their policies name up to this rung, but nobody a second time."""
    it = change.incident
    if not it.is_unanswered:
        return change
    rungs = [rung_at(change.plan, it.services, it.paging_severity, index) for index in range(it.rung + 1)]
    rung = {page.addressee.person for page in it.pages if it.is_ringing(page)}
    new = {person: one for one in reversed(rungs) if one for person in one.people if person not in rung}
    if not new:
        return change
    change = change.set(is_exhausted=False)
    for person, one in new.items():
        change = change.request(_page(change, person, one))
    return change.note("paged", f"concerned too: {', '.join(new)}")


def climb(change: Change, why: str) -> Change:
    """Go to the next rung: the next step, else the first one of another round, else say that nobody is left."""
    it = change.incident
    if not it.is_unanswered or it.is_exhausted:
        return change
    noted = change.note("escalated", why)
    if rung_at(change.plan, it.services, it.paging_severity, it.rung + 1):
        return _ring(noted.set(rung=it.rung + 1))
    if it.rounds_left > 0:
        return _ring(noted.set(round=it.round + 1, rung=0, rounds_left=it.rounds_left - 1))
    return _exhausted(noted)


def _exhausted(change: Change) -> Change:
    text = "everybody whom the policy names was paged, and nobody has acknowledged"
    change = change.set(is_exhausted=True).unschedule(DueKind.RUNG).note("escalation_exhausted", text)
    change = change.say(IncidentUpdated, what="escalation_exhausted", undeliverable=change.incident.undeliverable)
    return telling.update(change, f"NOBODY ANSWERS: {telling.headline(change)}")


def _ring(change: Change) -> Change:
    it = change.incident
    rung = rung_at(change.plan, it.services, it.paging_severity, it.rung)
    if rung is None or not rung.people:
        return _exhausted(change)
    change = change.unschedule(DueKind.RUNG)
    for person in rung.people:
        change = change.request(_page(change, person, rung))
    names = ", ".join(rung.people)
    change = change.note("paged", f"round {it.round + 1}, step {it.rung + 1}: {names}")
    if rung.is_stand_in:
        change = change.note("stand_in", f"whom the policy names is no longer configured; in their place: {names}")
    return change


def _page(change: Change, person: PersonId, rung: Rung) -> Page:
    it, addressee = change.incident, telling.person(person)
    return Page(
        id=page_id(it.id, it.ack_epoch, it.round, it.rung, addressee, PageKind.PAGE),
        addressee=addressee,
        kind=PageKind.PAGE,
        ack_epoch=it.ack_epoch,
        round=it.round,
        rung=it.rung,
        severity=it.severity,
        title=telling.headline(change),
        lines=telling.context_lines(change),
        requested_at=change.now,
        runbook=it.runbook,
        is_stand_in=rung.is_stand_in,
    )


def stop(change: Change) -> Change:
    """Ring nobody any more: no further rung, and no asking again for what rang."""
    it = change.incident
    for page in it.pages:
        if page.kind is PageKind.PAGE:
            change = change.unschedule(DueKind.SILENCE, page.id)
    return change.unschedule(DueKind.RUNG)


def heard_of(change: Change, page: Page, *, is_first_receipt: bool, at: datetime) -> Change:
    """Set the clock of the next rung by what is proven of a page of this one; `at` is when it was proven."""
    it = change.incident
    if not it.is_ringing(page) or (page.round, page.rung) != (it.round, it.rung) or it.is_exhausted:
        return change
    if all(one.is_undeliverable for one in it.rung_pages):
        names = ", ".join(one.addressee.text for one in it.rung_pages)
        return climb(change, f"nobody of this step could be reached ({names})")
    rung = rung_at(change.plan, it.services, it.paging_severity, it.rung)
    if rung is None or rung.wait is None:
        return change
    handed_over = [one.handed_over_at for one in it.rung_pages if one.handed_over_at]
    if handed_over:
        return change.schedule(DueKind.RUNG, min(handed_over) + rung.wait)
    if is_first_receipt and it.due_of(DueKind.RUNG) is None:
        return change.schedule(DueKind.RUNG, at + rung.wait + NO_PROOF)
    return change


def rung_is_due(change: Change, due: Due, stated_at: datetime | None) -> Change:
    """The wait is over. `stated_at`: the newest open set of the breaches' sources; None when there never was one."""
    it = change.incident
    if not it.is_unanswered:
        return change.unschedule(DueKind.RUNG)
    is_late = change.now - due.at > TOO_LATE
    if is_late and not due.awaits_open_set and (stated_at is None or stated_at < due.at):
        waiting = change.schedule(DueKind.RUNG, change.now + LONGEST_WAIT_FOR_PROOF, awaits_open_set=True)
        return waiting.note("escalation_waits", "we were away; waiting for word that the breach is still there")
    rung = rung_at(change.plan, it.services, it.paging_severity, it.rung)
    waited = format_duration(rung.wait) if rung and rung.wait else "the time given"
    return climb(change, f"nobody acknowledged within {waited}")


def proof_came(change: Change) -> Change:
    """An open set has arrived: a rung that waited for one need wait no longer (but for breaches about to clear)."""
    due = change.incident.due_of(DueKind.RUNG)
    if due is None or not due.awaits_open_set:
        return change
    is_absent = any(breach.absent_as_of for breach in change.incident.open_breaches)
    at = change.now + ABSENCE * 2 if is_absent else change.now
    return change.schedule(DueKind.RUNG, min(due.at, at), awaits_open_set=True)


def ask_again(change: Change, due: Due) -> Change:
    """Nobody gave a receipt for a page: request it again, unless it has lost its point."""
    page = next((one for one in change.incident.pages if one.id == due.subject), None)
    change = change.unschedule(DueKind.SILENCE, due.subject)
    if page is None or page.state is not None:
        return change
    if page.kind is PageKind.PAGE and not change.incident.is_ringing(page):
        return change
    if page.kind is PageKind.UPDATE and change.now - page.requested_at > STALE_UPDATE:
        return change
    asked = change.request_again(page)
    return asked.note("page_repeated", f"no receipt for the page to {page.addressee.text}; requested again")


def mark_undeliverable(page: Page) -> Page:
    """No channel of this addressee is left."""
    return replace(page, is_undeliverable=True)
