"""What a new document changes: for `hypercare plan`."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from shared.config.errors import Path, path_text, shortened
from shared.config.model import Document


class ChangeKind(StrEnum):
    """What happened to a path."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True)
class Change:
    """One difference; `old` and `new` are JSON values, None where there is none. Secrets are references here too."""

    kind: ChangeKind
    path: str
    old: object = None
    new: object = None

    def __str__(self) -> str:
        if self.kind is ChangeKind.CHANGED:
            return f"~ {self.path}: {_written(self.old)} -> {_written(self.new)}"
        if self.kind is ChangeKind.ADDED:
            return f"+ {self.path}: {_written(self.new)}"
        return f"- {self.path}: {_written(self.old)}"


def _written(value: object) -> str:
    return shortened(json.dumps(value, ensure_ascii=False), 100)


def difference(old: Document | None, new: Document) -> list[Change]:
    """Return what differs, in the order of the new document; a whole named thing that is new is one change.

    Nothing before (`old` None): everything is added, section by section and name by name. Lists are compared as
    a whole: a changed order of steps is a change of the list, not of its every entry.
    """
    before = {} if old is None else old.model_dump(mode="json", exclude_defaults=True)
    after = new.model_dump(mode="json", exclude_defaults=True)
    return list(_compare(before, after, ()))


_NAMED = frozenset({"services", "checks", "rules", "people", "escalations", "channels", "workflow"})


def _compare(old: Mapping[str, object], new: Mapping[str, object], path: Path) -> Iterator[Change]:
    for name in [*new, *(name for name in old if name not in new)]:
        here: Path = (*path, name)
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _compare(before, after, here)
        elif not path and name in _NAMED:  # a section that appears or goes is told name by name
            yield from _compare(_table(before), _table(after), here)
        elif name not in old:
            yield Change(ChangeKind.ADDED, path_text(here), None, after)
        elif name not in new:
            yield Change(ChangeKind.REMOVED, path_text(here), before, None)
        else:
            yield Change(ChangeKind.CHANGED, path_text(here), before, after)


def _table(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
