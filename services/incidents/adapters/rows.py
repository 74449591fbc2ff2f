"""Incidents as rows and back. Rows travel as JSON, so that one statement writes or reads any number of them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter
from pydantic_core import to_json, to_jsonable_python

from services.incidents.domain.change import Change
from services.incidents.domain.incident import Answer, Breach, Due, Incident, Page

_INCIDENT: Final = TypeAdapter(Incident)
_BREACH: Final = TypeAdapter(Breach)
_PARTS: Final = frozenset({"breaches", "pages", "answers", "due"})
_COLUMNS: Final = tuple(field.name for field in fields(Incident) if field.name not in _PARTS)
_NONE: Final = ""
"""What stands in the column `incident` of a breach that belongs to none: part of the key, so never null."""

T = TypeVar("T", Breach, Page, Answer, Due)


def incident_of(whole: str) -> Incident:
    """Read an incident out of the JSON of `whole_incidents`."""
    return _INCIDENT.validate_json(whole)


def breach_of(row: str) -> Breach:
    """Read a breach out of its row's JSON."""
    breach = _BREACH.validate_json(row)
    return replace(breach, incident=breach.incident or None)


def incident_row(incident: Incident) -> str:
    """The row of an incident without what belongs to it."""
    return _json({name: getattr(incident, name) for name in _COLUMNS})


def breach_rows(breaches: Sequence[Breach]) -> str:
    """Rows of breaches."""
    return _json([{**_plain(breach), "incident": breach.incident or _NONE} for breach in breaches])


def rows_of(incident: Incident, parts: Sequence[Page | Answer | Due]) -> str:
    """Rows of what belongs to an incident."""
    return _json([{**_plain(part), "incident": incident.id} for part in parts])


def entry_rows(change: Change) -> str:
    """Rows of new timeline entries."""
    return _json([_plain(entry) for entry in change.entries])


@dataclass(frozen=True)
class Difference:
    """What of an incident has to be written."""

    breaches: tuple[Breach, ...]
    pages: tuple[Page, ...]
    answers: tuple[Answer, ...]
    answers_gone: tuple[Answer, ...]
    due: tuple[Due, ...]
    due_gone: tuple[Due, ...]


def difference(before: Incident | None, after: Incident) -> Difference:
    """Compare with what was loaded; None: everything is new."""
    due_after = {(due.kind, due.subject) for due in after.due}
    answers_after = {(answer.stage, answer.question) for answer in after.answers}
    return Difference(
        breaches=_new(before.breaches if before else (), after.breaches),
        pages=_new(before.pages if before else (), after.pages),
        answers=_new(before.answers if before else (), after.answers),
        answers_gone=tuple(a for a in (before.answers if before else ()) if (a.stage, a.question) not in answers_after),
        due=_new(before.due if before else (), after.due),
        due_gone=tuple(d for d in (before.due if before else ()) if (d.kind, d.subject) not in due_after),
    )


def _new(before: Sequence[T], after: Sequence[T]) -> tuple[T, ...]:
    return tuple(part for part in after if part not in before)


def _plain(part: Any) -> dict[str, Any]:
    plain: dict[str, Any] = to_jsonable_python(part)
    return plain


def _json(value: object) -> str:
    return to_json(value).decode()
