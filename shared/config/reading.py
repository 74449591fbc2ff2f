"""From text to a checked document: every mistake of every file is found in one go."""

import errno
import stat
from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path as FilePath
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from shared.config.assemble import Assembled, ReadFile, assemble
from shared.config.crosscheck import Known, crosscheck
from shared.config.errors import ConfigError, ConfigErrors, Path, error_at
from shared.config.model import Document
from shared.config.secret_places import missing_secrets
from shared.config.source import MAX_BYTES
from shared.config.unsupported import is_not_yet
from shared.config.wording import got, suggested_name, translate

_PLACEHOLDERS: Final[dict[str, object]] = {
    "version": 1,
    "programme": "placeholder",
    "timezone": "UTC",
    "public_url": "http://127.0.0.1",
    "locations": ["placeholder"],
}
_NEEDED: Final[dict[str, dict[str, object]]] = {
    "services": {"placeholder": {"escalation": "placeholder"}},
    "checks": {"placeholder": {"service": "placeholder", "heartbeat": {"every": "1h"}}},
    "people": {"placeholder": {"name": "placeholder", "reach": [{"email": "placeholder@example.org"}]}},
    "escalations": {"placeholder": {"default": {"steps": [{"notify": ["placeholder"]}]}}},
}
"""What stands in for broken parts while the references between the others are checked; never part of a result."""

_ROUNDS: Final = 6


def load(path: FilePath, variables: Mapping[str, str], *, secrets_from: Mapping[str, str] | None = None) -> Document:
    """Read a file and what it includes. Raises ConfigErrors with every mistake, also when it cannot be read.

    `secrets_from`: the environment in which every secret must be there; None where others will resolve them.
    """
    try:
        text = _read(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "is not UTF-8"
        raise ConfigErrors([ConfigError(str(path), 1, 1, "", f"cannot be read: {reason}")]) from error
    return parse(text, str(path), variables, read_file=_read_beside, secrets_from=secrets_from)


def parse(
    text: str,
    file_name: str,
    variables: Mapping[str, str],
    *,
    read_file: ReadFile | None = None,
    secrets_from: Mapping[str, str] | None = None,
) -> Document:
    """Read a text; `file_name` is what errors show. Raises ConfigErrors and nothing else.

    `variables` is what `${NAME}` may name. Without `read_file` an `include:` is an error.
    """
    assembled = assemble(text, file_name, variables, read_file)
    document, errors = _validate(assembled)
    errors = [*assembled.errors, *errors]
    if errors or document is None:
        raise ConfigErrors(errors)
    if secrets_from is not None and (missing := missing_secrets(assembled, secrets_from)):
        raise ConfigErrors(missing)
    return document


def _read(path: FilePath) -> str:
    if not stat.S_ISREG(path.stat().st_mode):  # a pipe or device may keep us waiting for ever, or give for ever
        raise OSError(errno.EINVAL, "is not a regular file")
    with path.open(encoding="utf-8-sig") as file:
        return file.read(MAX_BYTES + 1)


def _read_beside(including: str, name: str) -> tuple[str, str]:
    path = FilePath(including).parent / name
    # Shown as it was written, but ".." taken out: the same file under two names is still one file.
    shown = FilePath(including).parent.joinpath(name)
    return str(shown if ".." not in shown.parts else path.resolve()), _read(path)


def _validate(assembled: Assembled) -> tuple[Document | None, list[ConfigError]]:
    """Validate, and check the references of whatever is whole even when other parts are broken."""
    broken = assembled.broken | _perhaps_elsewhere(assembled)
    data: dict[str, Any] = _without(assembled.data, broken) if broken else assembled.data
    errors: list[ConfigError] = []
    harmless: set[Path] = set()
    document: Document | None = None
    for number in range(_ROUNDS):
        try:
            document = Document.model_validate(data)
        except ValidationError as failure:
            found = failure.errors(include_url=False, include_input=False)
            told = _fresh(found, broken - harmless, assembled, is_first=number == 0)
            errors.extend(translate(one, assembled) for one in told)
            harmless.update(_plain(one["loc"]) for one in found if _changes_nothing(one, assembled))
            data = _without(data, [one["loc"] for one in found], hard=number > 0)
            broken.update(_plain(one["loc"]) for one in found)
            continue
        break
    if document is not None:
        findings = crosscheck(document, Known(assembled.data, frozenset(broken), assembled.is_whole))
        errors.extend(_place_finding(finding, assembled) for finding in findings)
    return document, errors


def _perhaps_elsewhere(assembled: Assembled) -> set[Path]:
    """Sections that may stand in a file which could not be read: that file is the mistake, they are none."""
    return set() if assembled.is_whole else {(name,) for name in Document.model_fields if name not in assembled.data}


def _fresh(found: list[ErrorDetails], broken: set[Path], assembled: Assembled, *, is_first: bool) -> list[ErrorDetails]:
    """Leave out what only follows from a mistake that is told anyway."""
    paths = {_plain(one["loc"]) for one in found}
    unknown = [_plain(one["loc"]) for one in found if one["type"] == "extra_forbidden"]
    meant = {(path[:-1], word) for path in unknown if (word := suggested_name(path, assembled))}
    not_yet = {path[:-1] for path in unknown if is_not_yet(path)}
    fresh: list[ErrorDetails] = []
    for one in found:
        path = _plain(one["loc"])
        # `{escaltion: erp}` is one mistake and no missing field besides; so is `{mattermost: ...}` in place of slack.
        is_explained = one["type"] == "missing" and ((path[:-1], path[-1]) in meant or path[:-1] in not_yet)
        # A list whose only entry is bad is not also too short.
        is_around = any(len(other) > len(path) and other[: len(path)] == path for other in paths)
        # A part that was cut in an earlier round says nothing new: what it lacks now, we took.
        seen = broken if is_first else {_entry(known) for known in broken}
        is_known = (path if is_first else _entry(path)) in seen
        if not (is_explained or is_around or is_known):
            fresh.append(one)
    return fresh


def _changes_nothing(one: ErrorDetails, assembled: Assembled) -> bool:
    """Whether what is wrong is just too much: without it, what else is wrong with its neighbours is still true."""
    path = _plain(one["loc"])
    return one["type"] == "extra_forbidden" and not is_not_yet(path) and suggested_name(path, assembled) is None


def _entry(path: Path) -> Path:
    """The named thing that a path belongs to: ("checks", "web-health")."""
    return tuple(path[:2])


def _plain(path: Path) -> Path:
    """Take off pydantic's mark that a name is meant and not what stands under it."""
    return tuple(step for step in path if step != "[key]")


def _without(data: dict[str, Any], paths: Iterable[Path], *, hard: bool = False) -> dict[str, Any]:
    """Return the data without the broken values; when that was not enough (`hard`), without their whole entries."""
    rest = deepcopy(data)
    for path in sorted({_entry(one) if hard else tuple(one) for one in paths}, key=len):
        _cut(rest, _plain(path))
    for name, placeholder in _PLACEHOLDERS.items():
        rest.setdefault(name, placeholder)
    for name, section in _NEEDED.items():
        if not isinstance(rest.get(name), dict) or not rest[name]:
            rest[name] = deepcopy(section)
    return rest


def _cut(data: Any, path: Path) -> None:
    *parents, last = path
    for step in parents:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):  # cut before, together with something around it
            return
    if isinstance(data, dict):
        data.pop(last, None)
    elif isinstance(data, list) and isinstance(last, int) and last < len(data):
        # Positions of later entries must not move while others are still to be cut: None is cut in the next round.
        data[last] = None


def _place_finding(finding: tuple[Path, str, str | None, bool], assembled: Assembled) -> ConfigError:
    path, message, suggestion, at_name = finding
    place = assembled.place(path)
    mark = (place.key or place.value) if at_name else place.value
    return error_at(mark, path, message, None if at_name else got(path, place), suggestion)
