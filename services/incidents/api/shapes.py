"""What the API takes and gives, as JSON."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from services.incidents.domain.gates import gate_of
from services.incidents.domain.incident import Breach, Incident, Page
from services.incidents.domain.plan import Plan
from services.incidents.domain.timeline import Entry
from shared.contracts import PageKind, PageState, Stage
from shared.values import Severity

NO_NUL = r"^[^\x00]*$"
"""Postgres keeps no NUL in a text."""

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000, pattern=NO_NUL)]


class Nothing(BaseModel):
    """An empty body."""


class AdvanceBody(BaseModel):
    """`override` passes an unmet gate; it needs the role manager, and a reason."""

    reason: Annotated[str, Field(max_length=10_000, pattern=NO_NUL)] = ""
    override: bool = False


class AnswerBody(BaseModel):
    """`item` is the question's number in the present checklist, from 0, or its words."""

    item: Words
    answer: Words


class NoteBody(BaseModel):
    """Free text for the timeline."""

    text: Words


class SeverityBody(BaseModel):
    """A person's judgement."""

    severity: Severity
    reason: Words


class ResolveBody(BaseModel):
    """What was done; everyone who was paged reads it."""

    summary: Words


class WatchShape(BaseModel):
    """Seconds asked for, and seconds seen well so far."""

    needed_s: float
    covered_s: float


class Summary(BaseModel):
    """One line of the list."""

    id: str
    name: str
    service: str
    location: str | None
    """Set when the incident is that this location is silent."""
    services: list[str]
    """Whom it concerns: its service, or all that are not seen from the silent location."""
    symptom: str
    severity: Severity
    stage: Stage
    summary: str
    opened_at: AwareDatetime
    stage_entered_at: AwareDatetime
    stage_due_at: AwareDatetime | None
    closed_at: AwareDatetime | None
    acknowledged_by: str | None
    acknowledged_at: AwareDatetime | None
    ack_epoch: int
    open_breaches: int
    undeliverable: int
    red: list[str]
    """What needs a person's attention, in words; empty when nothing does."""
    watch: WatchShape | None


class BreachShape(BaseModel):
    """A breach of this incident."""

    source: str
    service: str
    rule: str
    check: str
    location: str
    rev: int
    is_open: bool
    severity: Severity | None
    summary: str
    began_at: AwareDatetime | None
    ended: str | None


class PageShape(BaseModel):
    """A page and the best proof of it; `state` is null before the first receipt."""

    page: str
    addressee: str
    kind: PageKind
    ack_epoch: int
    round: int
    rung: int
    requested_at: AwareDatetime
    state: PageState | None
    handed_over_at: AwareDatetime | None
    issue: int
    undeliverable: bool
    stand_in: bool


class ChecklistItem(BaseModel):
    """A question of the present stage; `item` is what `POST answers` takes."""

    item: str
    question: str
    answer: str | None
    by: str | None
    at: AwareDatetime | None


class GivenAnswer(BaseModel):
    """An answer to a question of a stage's checklist."""

    stage: Stage
    question: str
    answer: str
    by: str
    at: AwareDatetime


class Detail(Summary):
    """Everything about one incident but its timeline."""

    runbook: str | None
    checklist: list[ChecklistItem]
    gate: list[str]
    """What is still missing before the stage can be left."""
    breaches: list[BreachShape]
    pages: list[PageShape]
    answers: list[GivenAnswer]
    """Of all stages, in the order they were given."""


class EntryShape(BaseModel):
    """One entry of the timeline, sealed with the one before it."""

    sequence: int
    at: AwareDatetime
    kind: str
    text: str
    actor: str
    hash: str


class TimelineShape(BaseModel):
    """The timeline; `verified` is whether every seal is unbroken and nothing was cut off."""

    incident: str
    name: str
    verified: bool
    entries: list[EntryShape]


def summary_of(it: Incident) -> Summary:
    """The line of an incident."""
    return Summary(
        **{name: getattr(it, name) for name in Summary.model_fields if name not in {"open_breaches", "red", "watch"}},
        open_breaches=len(it.open_breaches),
        red=_red(it),
        watch=WatchShape(needed_s=it.watch.needed_s, covered_s=it.watch.covered_s) if it.watch else None,
    )


def _red(it: Incident) -> list[str]:
    if it.stage is Stage.CLOSED:
        return []
    said = []
    if it.undeliverable:
        said.append(f"{it.undeliverable} pages could not be delivered")
    if it.is_exhausted and it.acknowledged_by is None:
        said.append("everybody was paged and nobody has acknowledged")
    if any(page.is_stand_in and page.ack_epoch == it.ack_epoch for page in it.pages):
        said.append("the escalation names people who are no longer configured")
    if it.needs_person and it.stage in {Stage.ALERT, Stage.ASSESSMENT, Stage.RESPONSE}:
        said.append("nothing is open, but not all of it healed: a person has to resolve it")
    return said


def detail_of(it: Incident, plan: Plan) -> Detail:
    """All of an incident."""
    given = {answer.question: answer for answer in it.answers if answer.stage is it.stage}
    checklist = [
        ChecklistItem(
            item=str(number),
            question=question,
            answer=given[question].answer if question in given else None,
            by=given[question].by if question in given else None,
            at=given[question].at if question in given else None,
        )
        for number, question in enumerate(plan.stage(it.stage).checklist)
    ]
    answers = [GivenAnswer(stage=a.stage, question=a.question, answer=a.answer, by=a.by, at=a.at) for a in it.answers]
    return Detail(
        **summary_of(it).model_dump(),
        runbook=it.runbook,
        checklist=checklist,
        gate=list(gate_of(it, plan).missing),
        breaches=[_breach(breach) for breach in it.breaches],
        pages=[_page(page) for page in it.pages],
        answers=answers,
    )


def _breach(breach: Breach) -> BreachShape:
    stated = breach.stated
    return BreachShape(
        source=breach.source,
        service=breach.service,
        rule=breach.rule,
        check=breach.check,
        location=breach.location,
        rev=breach.rev,
        is_open=breach.is_open,
        severity=stated.severity if stated else None,
        summary=stated.summary if stated else "",
        began_at=stated.began_at if stated else None,
        ended=breach.ended.value if breach.ended else None,
    )


def _page(page: Page) -> PageShape:
    return PageShape(
        page=page.id,
        addressee=page.addressee.text,
        kind=page.kind,
        ack_epoch=page.ack_epoch,
        round=page.round,
        rung=page.rung,
        requested_at=page.requested_at,
        state=page.state,
        handed_over_at=page.handed_over_at,
        issue=page.issue,
        undeliverable=page.is_undeliverable,
        stand_in=page.is_stand_in,
    )


def entry_of(entry: Entry) -> EntryShape:
    """One entry of the timeline."""
    return EntryShape(
        sequence=entry.sequence, at=entry.at, kind=entry.kind, text=entry.text, actor=entry.actor, hash=entry.hash
    )
