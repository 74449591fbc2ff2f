"""What no single field can know: references, bounds between fields, and conditions that fit what they measure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

from shared.config.checks import FRAMING_HEADERS, SECRET_HEADERS, SERIES, Check, Http
from shared.config.errors import Path, closest
from shared.config.model import Document
from shared.config.people import Escalation, Policy, Reach
from shared.config.rules import AGGREGATES, Condition, Rule, Window
from shared.config.secret_refs import SecretRef
from shared.config.types import Threshold, Unit
from shared.values import CheckId, Severity, format_duration

Finding: TypeAlias = tuple[Path, str, str | None, bool]
"""(path, message, suggestion, at the name rather than the value)."""


_REFERENCES: Final = (
    ("services", "escalation", "escalations"),
    ("checks", "service", "services"),
    ("rules", "check", "checks"),
)
"""(section, field, section that the field names something in)."""


@dataclass(frozen=True)
class Known:
    """The document as written, and the paths that are known to be broken: one mistake gets one error."""

    written: Mapping[str, object]
    broken: frozenset[Path]
    is_whole: bool = True
    """False when a file that is included could not be read: it may hold what nothing here is called."""

    def section(self, name: str) -> Mapping[str, object]:
        """Return all that is written in a section, broken or not: a reference to a broken part leads somewhere."""
        found = self.written.get(name)
        return found if isinstance(found, dict) else {}

    def touches(self, path: Path) -> bool:
        """Whether something is broken at, around or inside a path."""
        return any(path[: len(one)] == one[: len(path)] for one in self.broken)


def crosscheck(document: Document, known: Known) -> Iterator[Finding]:
    """Yield every mistake between the fields, but for what only follows from a mistake that is known."""
    for finding in _references(known):
        suggestion = finding[2]
        if known.is_whole or suggestion is not None:
            yield finding
    for finding in _findings(document, known):
        path = finding[0]
        is_ours = len(path) < 2 or str(path[1]) in known.section(str(path[0])) or path[0] == "locations"  # noqa: PLR2004
        if is_ours and not known.touches(path):
            yield finding


def _findings(document: Document, known: Known) -> Iterator[Finding]:
    for check_id, check in document.checks.items():
        yield from _check(("checks", check_id), check)
    for rule_id, rule in document.rules.items():
        yield from _rule(("rules", rule_id), rule)
        measured = document.checks.get(CheckId(rule.check))
        if measured is not None and not known.touches(("checks", rule.check)):
            yield from _measured(("rules", rule_id), rule, measured)
    for person_id, person in document.people.items():
        for at, reach in enumerate(person.reach):
            yield from _channel(known, ("people", person_id, "reach", at), reach)
    for name, escalation in document.escalations.items():
        yield from _escalation(known, name, escalation)
    yield from _locations(document)


def _references(known: Known) -> Iterator[Finding]:
    """Check the references of broken parts too, as they were written; a section that is not there is told once."""
    for section, field, target in _REFERENCES:
        names = list(known.section(target))
        for name, entry in known.section(section).items():
            reference = entry.get(field) if isinstance(entry, dict) else None
            path: Path = (section, name, field)
            if names and isinstance(reference, str) and reference not in names and path not in known.broken:
                yield path, f"is not in {target}", closest(reference, names), False
    people = list(known.section("people"))
    for path, person in _notified(known) if people else ():
        if isinstance(person, str) and person not in people and path not in known.broken:
            yield path, "is not in people", closest(person, people), False


def _notified(known: Known) -> Iterator[tuple[Path, object]]:
    """Whoever is named in a step of any policy, as written."""
    for name, escalation in known.section("escalations").items():
        for field, policy in escalation.items() if isinstance(escalation, dict) else ():
            for at, step in enumerate(_list_in(policy, "steps")):
                for number, person in enumerate(_list_in(step, "notify")):
                    yield ("escalations", name, field, "steps", at, "notify", number), person


def _list_in(entry: object, field: str) -> list[object]:
    found = entry.get(field) if isinstance(entry, dict) else None
    return found if isinstance(found, list) else []


def _check(path: Path, check: Check) -> Iterator[Finding]:
    kinds = [kind for kind in (check.http, check.heartbeat) if kind is not None]
    if len(kinds) != 1:
        yield path, "needs exactly one kind: http or heartbeat", None, True
        return
    if check.heartbeat is not None:
        for field in ("every", "timeout", "grace"):
            if getattr(check, field) is not None:
                yield (*path, field), "does not belong to a heartbeat, which has its own every and grace", None, True
        return
    if check.every is None:
        yield (*path, "every"), "is missing", None, True
    elif check.time_limit > check.every:
        yield (*path, "timeout"), f"must be at most every, {format_duration(check.every)}", None, False
    if check.http is not None:
        yield from _http((*path, "http"), check.http)


def _http(path: Path, http: Http) -> Iterator[Finding]:
    for name in http.read:
        if name in SERIES:
            yield (*path, "read", name), "is the name of something that is always measured", None, True
    seen: set[str] = set()
    for name, content in http.headers.items():
        if name.lower() in seen:
            words = "is given twice; upper and lower case are the same in a header"
            yield (*path, "headers", name), words, None, True
        seen.add(name.lower())
        yield from _header((*path, "headers", name), name, content)


def _header(here: Path, name: str, content: str) -> Iterator[Finding]:
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}", name):
        yield here, "is no name that an HTTP header can have", None, True
    elif name.lower() in FRAMING_HEADERS:
        yield here, "is set by the prober and cannot be given", None, True
    elif re.search(r"[\r\n\x00]", content):
        yield here, "must not have a line break in it", None, False
    elif not content.isascii():
        yield here, "must be ASCII, as HTTP headers are", None, False
    elif name.lower() in SECRET_HEADERS:
        try:
            SecretRef.read(content)
        except ValueError as error:
            yield here, str(error), None, False


def _rule(path: Path, rule: Rule) -> Iterator[Finding]:
    if len(rule.conditions) != 1:
        kinds = ", ".join(Condition)
        yield path, f"needs exactly one condition of {kinds}", None, True
        return
    if rule.failed is not None and rule.failed.at_least > rule.failed.of:
        yield (*path, "failed", "at_least"), f"must be at most of, {rule.failed.of}", None, False
    if rule.condition in AGGREGATES:
        if rule.severity is not None:
            yield (*path, "severity"), "belongs to the thresholds of a window, one severity each", None, True
    elif rule.severity is None:
        yield (*path, "severity"), "is missing", None, True
    yield from _clear(path, rule)


def _clear(path: Path, rule: Rule) -> Iterator[Finding]:
    clear = rule.clear
    if clear is None:
        return
    if clear.ok_in_a_row is not None and rule.condition is not Condition.FAILED:
        yield (*path, "clear", "ok_in_a_row"), "goes with failed only", None, True
    if clear.margin is not None and rule.condition not in AGGREGATES:
        yield (*path, "clear", "margin"), "goes with thresholds only", None, True
    if clear.for_ is not None and rule.keep_firing_for:
        yield (*path, "clear", "for"), "says the same as keep_firing_for; write one of them", None, True


def _measured(path: Path, rule: Rule, check: Check) -> Iterator[Finding]:
    """Check a window against what its check measures."""
    window = rule.window
    if window is None or len(rule.conditions) != 1:
        return
    below: Path = (*path, rule.condition.value)
    unit = check.units.get(window.of)
    if check.http is None:
        yield below, "needs a check that measures something; a heartbeat does not", None, True
    elif unit is None:
        yield (*below, "of"), "is nothing that this check measures", closest(window.of, list(check.units)), False
    else:
        if window.over < check.interval:
            words = f"must be at least every of the check, {format_duration(check.interval)}"
            yield (*below, "over"), words, None, False
        yield from _bands((*below, window.direction), window, unit)


def _bands(path: Path, window: Window, unit: Unit) -> Iterator[Finding]:
    values: list[tuple[Severity, Threshold, float]] = []
    for severity, threshold in window.bands.items():
        try:
            values.append((severity, threshold, threshold.measured_in(unit)))
        except ValueError as error:
            yield (*path, severity.value), str(error), None, False
    for (worst, limit, worse), (severity, _, value) in pairwise(values):
        ordered = worse > value if window.direction == "above" else worse < value
        if not ordered:
            extreme = "below" if window.direction == "above" else "above"
            words = f"must be {extreme} {limit.text}, the threshold of {worst}"
            yield (*path, severity.value), words, None, False


def _channel(known: Known, path: Path, reach: Reach) -> Iterator[Finding]:
    if not known.section("channels").get(reach.kind.value) and ("channels",) not in known.broken:
        yield (*path, reach.kind.value), f"no {reach.kind} channel is configured under channels", None, True


def _escalation(known: Known, name: str, escalation: Escalation) -> Iterator[Finding]:
    path: Path = ("escalations", name)
    for at, reach in enumerate(escalation.tell):
        yield from _channel(known, (*path, "tell", at), reach)
    for field in (*(severity.value for severity in Severity), "default"):
        policy: Policy | None = getattr(escalation, field)
        if policy is not None:
            yield from _policy((*path, field), policy)
    lacking = [severity.value for severity in Severity if escalation.policy(severity) is None]
    if lacking:
        yield path, f"pages nobody for {', '.join(lacking)}: add default", None, True


def _policy(path: Path, policy: Policy) -> Iterator[Finding]:
    for at, step in enumerate(policy.steps):
        here: Path = (*path, "steps", at)
        for number, person in enumerate(step.notify):
            if person in step.notify[:number]:
                yield (*here, "notify", number), "is notified twice in one step", None, False
        is_last = at == len(policy.steps) - 1
        if step.wait is None and (policy.repeat or not is_last):
            follows = "the next round" if is_last else "the next step"
            yield (*here, "wait"), f"is missing: how long until {follows}", None, True


def _locations(document: Document) -> Iterator[Finding]:
    for at, location in enumerate(document.locations):
        if location in document.locations[:at]:
            yield ("locations", at), "is given twice", None, False
