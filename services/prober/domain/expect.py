"""Judge an answer: what was expected, what came, and the numbers to read from it."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from services.prober.domain.look import Answer, Finding
from services.prober.domain.safe_text import excerpt, safe_text
from shared.config.json_path import parse_json_path
from shared.config.patterns import Pattern, compile_pattern
from shared.config.slice_models import HttpProbe, JsonCondition
from shared.values import Outcome

Steps = tuple[str | int, ...]
Problem = tuple[str, str]
"""(code, reason)"""


class _Missing:
    """Nothing at this path; differs from a null that is there."""


MISSING: Final = _Missing()


@dataclass(frozen=True)
class JsonExpectation:
    """One value of the answer and what must hold of it."""

    condition: JsonCondition
    steps: Steps
    pattern: Pattern | None


@dataclass(frozen=True)
class Expectations:
    """All that makes an answer a good one, ready to be applied many times."""

    statuses: tuple[int, ...] | None
    headers: Mapping[str, str]
    contains: tuple[str, ...]
    patterns: tuple[Pattern, ...]
    json: tuple[JsonExpectation, ...]
    read: Mapping[str, tuple[str, Steps]]

    @property
    def needs_json(self) -> bool:
        """Whether the body must be decoded at all."""
        return bool(self.json or self.read)


def expectations_of(probe: HttpProbe) -> Expectations:
    """Compile what a check expects. The configuration has checked paths and patterns already."""
    return Expectations(
        statuses=probe.statuses,
        headers=probe.response_headers,
        contains=probe.contains,
        patterns=tuple(compile_pattern(one) for one in probe.regexes),
        json=tuple(_json_expectation(one) for one in probe.json_conditions),
        read={name: (number.path, parse_json_path(number.path)) for name, number in probe.read.items()},
    )


def _json_expectation(condition: JsonCondition) -> JsonExpectation:
    pattern = compile_pattern(str(condition.value)) if condition.op == "matches" else None
    return JsonExpectation(condition, parse_json_path(condition.path), pattern)


def judge(answer: Answer, expected: Expectations) -> Finding:
    """Say whether the answer is a good one, why not, and what numbers it holds.

    A number that is missing is said (`value-missing`) and does not make a good answer a bad one. After a wrong status
    the body is not judged: it is another document, and its lacks would only hide the cause.
    """
    document = _decode(answer.body) if expected.needs_json else MISSING
    values, lacks = _read(document, expected.read)
    problems = list(_status(answer, expected)) or [
        *_headers(answer, expected),
        *_body(answer, expected),
        *_json(answer, document, expected),
    ]
    values = {**answer.phases, **values}
    if problems:
        return Finding(Outcome.FAILED, answer.took_s, problems[0][0], "; ".join(why for _, why in problems), values)
    if lacks:
        return Finding(Outcome.OK, answer.took_s, "value-missing", "; ".join(lacks), values)
    return Finding(Outcome.OK, answer.took_s, values=values)


def _decode(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return MISSING


def _status(answer: Answer, expected: Expectations) -> Iterator[Problem]:
    if expected.statuses is None:
        if not 200 <= answer.status <= 299:  # noqa: PLR2004  # what HTTP calls success
            yield "status", f"status is {answer.status}, expected 200 to 299"
    elif answer.status not in expected.statuses:
        yield "status", f"status is {answer.status}, expected {' or '.join(map(str, expected.statuses))}"


def _headers(answer: Answer, expected: Expectations) -> Iterator[Problem]:
    for name, part in expected.headers.items():
        got = answer.headers.get(name)
        if got is None:
            yield "header", f"header {name} is missing, expected {_show(part)} in it"
        elif part not in got:
            yield "header", f"header {name} is {_show(got)}, expected {_show(part)} in it"


def _body(answer: Answer, expected: Expectations) -> Iterator[Problem]:
    if not expected.contains and not expected.patterns:
        return
    text = answer.body.decode("utf-8", "replace")
    begins = excerpt(answer.body)
    for part in expected.contains:
        if part not in text:
            yield "body", f"body does not contain {_show(part)} (it begins {begins!r})"
    for pattern in expected.patterns:
        if not pattern.search(text):
            yield "body", f"body does not match {_show(pattern.pattern)} (it begins {begins!r})"


def _json(answer: Answer, document: object, expected: Expectations) -> Iterator[Problem]:
    if expected.json and document is MISSING:
        yield "not-json", f"body is not JSON (it begins {excerpt(answer.body)!r})"
        return
    for one in expected.json:
        got = find(document, one.steps)
        wanted = _wanted(one.condition)
        if isinstance(got, _Missing):
            yield "json-missing", f"{one.condition.path} is missing, expected {wanted}"
        elif not _holds(got, one):
            yield "json", f"{one.condition.path} is {_show(got)}, expected {wanted}"


def _wanted(condition: JsonCondition) -> str:
    shown = _show(condition.value)
    return shown if condition.op == "is" else f"{'to match' if condition.op == 'matches' else condition.op} {shown}"


def _holds(got: object, one: JsonExpectation) -> bool:
    wanted = one.condition.value
    match one.condition.op:
        case "is":  # 1 and true are different things in JSON, though not in Python
            return isinstance(got, bool) == isinstance(wanted, bool) and got == wanted
        case "matches":
            return one.pattern is not None and isinstance(got, str) and one.pattern.search(got)
        case "above":
            return _is_number(got) and got > wanted  # type: ignore[operator]  # both are numbers here
        case "below":
            return _is_number(got) and got < wanted  # type: ignore[operator]  # both are numbers here


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def find(document: object, steps: Steps) -> object:
    """Return the value at a path, or MISSING."""
    for step in steps:
        if isinstance(step, int):
            if not isinstance(document, list) or not -len(document) <= step < len(document):
                return MISSING
            document = document[step]
        else:
            if not isinstance(document, dict) or step not in document:
                return MISSING
            document = document[step]
    return document


def _read(document: object, wanted: Mapping[str, tuple[str, Steps]]) -> tuple[dict[str, float], list[str]]:
    values: dict[str, float] = {}
    lacks: list[str] = []
    for name, (path, steps) in wanted.items():
        got = MISSING if document is MISSING else find(document, steps)
        number = _number(got)
        if number is not None:
            values[name] = number
        elif isinstance(got, _Missing):
            lacks.append(f"value {name} missing at {path}")
        else:
            lacks.append(f"value {name} at {path} is not a number ({_show(got)})")
    return values, lacks


def _number(value: object) -> float | None:
    """The value as a finite float, or None: no guessing from texts, and 1e999 is no number to count with."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _show(value: object) -> str:
    """A value as JSON writes it, short; 5.0 as 5."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    try:
        shown = json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        shown = repr(type(value))
    return safe_text(shown, limit=60)
