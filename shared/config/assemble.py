"""From trees to one plain document: includes joined, merges and aliases written out, `${}` expanded, places kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final, TypeAlias

from shared.config.errors import ConfigError, ConfigErrors, Mark, Path, error_at, shortened
from shared.config.scalars import expand, is_one_variable, resolve_plain
from shared.config.source import MAX_DEPTH, MAX_NODES, Items, Node, Scalar, Table, read_yaml
from shared.config.types import FromVariable

ReadFile: TypeAlias = Callable[[str, str], tuple[str, str]]
"""(including file, file as written) -> (name to show, text). Raises OSError or UnicodeDecodeError."""

MAX_FILES: Final = 200


@dataclass(frozen=True)
class Place:
    """Where something stands: its name (None in a list), its value, and the value as written."""

    key: Mark | None
    value: Mark
    written: str | None = None
    plain: bool = False
    expanded: bool = False


@dataclass
class Assembled:
    """The plain data, the place of every path in it, and the mistakes met on the way."""

    data: dict[str, object] = field(default_factory=dict)
    places: dict[Path, Place] = field(default_factory=dict)
    errors: list[ConfigError] = field(default_factory=list)
    broken: set[Path] = field(default_factory=set)
    """Paths that hold no value because a `${}` in them failed."""
    is_whole: bool = True
    """False when a file that is included could not be read: what is missing may stand there."""

    def place(self, path: Path) -> Place:
        """Return the place of a path, or of the nearest thing around it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places[path]


def assemble(text: str, file: str, variables: Mapping[str, str], read_file: ReadFile | None) -> Assembled:
    """Read a text and everything it includes. Raises ConfigErrors only when nothing is left to look at."""
    result = Assembled()
    result.places[()] = Place(None, Mark(file, 1, 1))
    _Assembler(result, variables, read_file).add_file(text, file)
    return result


class _Assembler:
    def __init__(self, result: Assembled, variables: Mapping[str, str], read_file: ReadFile | None) -> None:
        self.result = result
        self.variables = variables
        self.read_file = read_file
        self.files: set[str] = set()
        self.nodes = 0

    def add_file(self, text: str, file: str) -> None:
        """Add one file's sections, then those of the files it includes."""
        self.files.add(str(PurePosixPath(file)))
        root = read_yaml(text, file)
        if not isinstance(root, Table):
            raise ConfigErrors([error_at(root.mark, (), "must be a mapping of names to values")])
        includes: list[tuple[Path, Node]] = []
        for key, node in self._entries(root, ()):
            if key.text == "include":
                includes.append((("include",), node))
            else:
                self._add_section(key, node)
        for path, node in includes:
            self._include(path, node, file)

    def _include(self, path: Path, node: Node, file: str) -> None:
        if not isinstance(node, Items):
            self._error(node.mark, path, "must be a list of files")
            return
        for at, item in enumerate(node.items):
            if isinstance(item, Scalar):
                self._include_one((*path, at), item, file)
            else:
                self._error(item.mark, (*path, at), "must be the name of a file")

    def _include_one(self, path: Path, item: Scalar, file: str) -> None:
        if self.read_file is None:
            self._error(item.mark, path, "files can be included only from a file")
            return
        wanted = PurePosixPath(item.text)
        if wanted.is_absolute() or ".." in wanted.parts or not item.text or "\x00" in item.text:
            # Anything else could make `validate` quote a file that its author may not read.
            words = "must be in the folder of the file that includes it, or below"
            self._error(item.mark, path, words, shortened(item.text))
            self.result.is_whole = False
            return
        try:
            name, text = self.read_file(file, item.text)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "is not UTF-8"
            self._error(item.mark, path, f"cannot be read: {reason}", shortened(item.text))
            self.result.is_whole = False
            return
        if name in self.files or len(self.files) >= MAX_FILES:
            words = "includes a file that is already part of this" if name in self.files else "includes too many files"
            self._error(item.mark, path, words, shortened(item.text))
            return
        try:
            self.add_file(text, name)
        except ConfigErrors as errors:  # one broken file hides no mistake of another
            self.result.errors.extend(errors.errors)
            self.result.is_whole = False

    def _add_section(self, key: Scalar, node: Node) -> None:
        """Add a top-level field; a second file may add names to a section, but not say anything twice."""
        path: Path = (key.text,)
        known = self.result.data.get(key.text)
        if key.text not in self.result.data:
            self.result.data[key.text] = self._value(node, path, key.mark)
        elif isinstance(known, dict) and isinstance(node, Table):
            for name, child in self._entries(node, path):
                below = (*path, name.text)
                if name.text in known:
                    self._twice(name, below, self.result.places[below])
                else:
                    known[name.text] = self._value(child, below, name.mark)
        elif not (key.text == "version" and isinstance(node, Scalar) and resolve_plain(node.text) == known):
            self._twice(key, path, self.result.places[path])

    def _twice(self, key: Scalar, path: Path, first: Place) -> None:
        self._error(key.mark, path, f"is given twice; first at {first.key or first.value}")

    def _error(self, mark: Mark, path: Path, message: str, got: str | None = None) -> None:
        self.result.errors.append(error_at(mark, path, message, got))

    def _entries(self, table: Table, path: Path) -> list[tuple[Scalar, Node]]:
        """Return a table's own entries, then those merged in by `<<` that it does not have; say what is twice."""
        seen: dict[str, Scalar] = {}
        own: list[tuple[Scalar, Node]] = []
        merged: list[Node] = []
        for key, node in table.entries:
            if key.plain and key.text == "<<":
                merged.extend(node.items if isinstance(node, Items) else [node])
            elif key.text in seen:
                self._error(key.mark, (*path, key.text), f"is given twice; first at {seen[key.text].mark}")
            else:
                seen[key.text] = key
                own.append((key, node))
        for node in merged:
            self._merge(node, path, own, seen)
        return own

    def _merge(self, node: Node, path: Path, own: list[tuple[Scalar, Node]], seen: dict[str, Scalar]) -> None:
        self._count(node.mark, path)
        if not isinstance(node, Table):
            self._error(node.mark, (*path, "<<"), "can only merge mappings")
            return
        # The path grows by "<<", so that a chain of merges ends at MAX_DEPTH as every other nesting does.
        for key, child in self._entries(node, (*path, "<<")):
            self._count(key.mark, path)
            if key.text not in seen:
                seen[key.text] = key
                own.append((key, child))

    def _count(self, mark: Mark, path: Path) -> None:
        """Count what aliases write out: ten lines can stand for a billion values."""
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise ConfigErrors([error_at(mark, path, f"stands for more than {MAX_NODES} values")])
        if len(path) > MAX_DEPTH:
            raise ConfigErrors([error_at(mark, path[:5], f"is nested more than {MAX_DEPTH} deep")])

    def _value(self, node: Node, path: Path, key: Mark | None) -> object:
        """Return the plain value of a node. Recursion ends at MAX_DEPTH."""
        self._count(node.mark, path)
        if isinstance(node, Scalar):
            return self._scalar(node, path, key)
        self.result.places[path] = Place(key, node.mark)
        if isinstance(node, Items):
            return [self._value(item, (*path, at), None) for at, item in enumerate(node.items)]
        return {
            name.text: self._value(child, (*path, name.text), name.mark) for name, child in self._entries(node, path)
        }

    def _scalar(self, node: Scalar, path: Path, key: Mark | None) -> object:
        text = node.text
        try:
            text = expand(node.text, self.variables)
        except ValueError as error:
            self._error(node.mark, path, str(error))
            self.result.broken.add(path)
        self.result.places[path] = Place(key, node.mark, node.text, node.plain, text != node.text)
        value = resolve_plain(text) if node.plain else FromVariable(text) if is_one_variable(node.text) else text
        if value is None and path[-1:] != ("is",) and path not in self.result.broken:
            # Only `is: null` means something. `severity:` with nothing behind it is a forgotten value, not the default.
            self._error(key or node.mark, path, "has no value; write one, or leave the name out")
            self.result.broken.add(path)
        return value
