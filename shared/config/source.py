"""Read strict YAML 1.2 and remember where everything stood.

The tree is built from the parser's events, not by a composer: depth, size and aliases are counted while reading, so
that a hostile file costs an error and not the machine; and every key and value keeps its line and column.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from shared.config.errors import ConfigError, ConfigErrors, Mark, error_at, shortened

MAX_BYTES: Final = 4 * 1024 * 1024
MAX_DEPTH: Final = 40
MAX_NODES: Final = 200_000
"""After aliases are written out: room for ten thousand checks; a billion laughs stops here."""


@dataclass(frozen=True)
class Scalar:
    """One word or text; `plain` means unquoted."""

    mark: Mark
    text: str
    plain: bool


@dataclass
class Items:
    """A list, filled while it is read."""

    mark: Mark
    items: list["Node"] = field(default_factory=list)


@dataclass
class Table:
    """Keys with their values, in the order written, filled while it is read."""

    mark: Mark
    entries: list[tuple[Scalar, "Node"]] = field(default_factory=list)
    waiting: Scalar | None = None


Node: TypeAlias = Scalar | Items | Table


def read_yaml(text: str, file: str) -> Node:
    """Return the one document of a YAML text. Raises ConfigErrors for what is no YAML, or too much of it."""
    if len(text) > MAX_BYTES:
        raise ConfigErrors([ConfigError(file, 1, 1, "", f"is larger than {MAX_BYTES // 1024 // 1024} MiB")])
    builder = _Builder(file)
    try:
        for event in _events(text, file, builder):
            builder.take(event)
    except RecursionError as error:
        raise builder.refuse(builder.mark, "is nested too deeply") from error
    if builder.root is None:
        raise ConfigErrors([ConfigError(file, 1, 1, "", "is empty")])
    return builder.root


def _events(text: str, file: str, builder: "_Builder") -> Iterator[Event]:
    """Yield the parser's events, its errors translated into ours."""
    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = _mark(file, mark) if mark is not None else builder.mark
        words = error.problem or error.context or "cannot be read"
        raise ConfigErrors([error_at(at, (), f"is not YAML: {shortened(str(words), 200)}")]) from error
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        raise ConfigErrors([ConfigError(file, line, column, "", "has a character that YAML forbids")]) from error
    except (
        YAMLError,
        ValueError,
        IndexError,
        KeyError,
        TypeError,
        AttributeError,
        AssertionError,
        OverflowError,
    ) as error:
        # ruamel's scanner trips over its own feet on some broken texts (a bad escape, an odd directive): for the
        # reader that is the same mistake, a text that is no YAML, right after the last thing that was.
        raise builder.refuse(builder.mark, "is not YAML from here on") from error


def _mark(file: str, mark: StringMark) -> Mark:
    return Mark(file, mark.line + 1, mark.column + 1)


class _Builder:
    """Puts nodes together from events, with an explicit stack: no recursion, whatever the depth of the text."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.mark = Mark(file, 1, 1)
        self.root: Node | None = None
        self.stack: list[Items | Table] = []
        self.anchors: dict[str, Node] = {}
        self.nodes = 0
        self.documents = 0

    def refuse(self, mark: Mark, message: str) -> ConfigErrors:
        """Build the error that ends the reading."""
        return ConfigErrors([error_at(mark, (), message)])

    def take(self, event: Event) -> None:
        """Take the next event."""
        if event.start_mark is not None:
            self.mark = _mark(self.file, event.start_mark)
        if isinstance(event, DocumentStartEvent):
            self._document(event)
        elif isinstance(event, NodeEvent):
            self._node(event)
        elif isinstance(event, SequenceEndEvent | MappingEndEvent):
            self.stack.pop()

    def _document(self, event: DocumentStartEvent) -> None:
        self.documents += 1
        if self.documents > 1:
            raise self.refuse(self.mark, "a second document begins; write one per file")
        if event.version is not None and tuple(event.version) != (1, 2):
            raise self.refuse(self.mark, "asks for another YAML than 1.2")

    def _node(self, event: NodeEvent) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self.refuse(self.mark, f"has more than {MAX_NODES} values")
        node = self._alias(event) if isinstance(event, AliasEvent) else self._new(event)
        self._attach(node)
        if isinstance(event, AliasEvent):
            return
        if event.anchor is not None:
            self.anchors[str(event.anchor)] = node
        if isinstance(node, Items | Table):
            self.stack.append(node)
            if len(self.stack) > MAX_DEPTH:
                raise self.refuse(self.mark, f"is nested more than {MAX_DEPTH} deep")

    def _alias(self, event: AliasEvent) -> Node:
        node = self.anchors.get(str(event.anchor))
        if node is None:
            raise self.refuse(self.mark, f"*{shortened(str(event.anchor))} refers to an anchor that is not above it")
        if any(node is open_one for open_one in self.stack):
            raise self.refuse(self.mark, f"*{shortened(str(event.anchor))} refers to what it is part of")
        return node

    def _new(self, event: NodeEvent) -> Node:
        tag = _tag(event)
        if tag is not None and (not isinstance(event, ScalarEvent) or tag not in {"!", "tag:yaml.org,2002:str"}):
            raise self.refuse(self.mark, f"has the tag {shortened(tag)}; tags are not used here")
        if isinstance(event, ScalarEvent):
            plain = event.style is None and tag is None
            return Scalar(self.mark, str(event.value), plain)
        return Items(self.mark) if isinstance(event, SequenceStartEvent) else Table(self.mark)

    def _attach(self, node: Node) -> None:
        if not self.stack:
            self.root = node
            return
        parent = self.stack[-1]
        if isinstance(parent, Items):
            parent.items.append(node)
        elif parent.waiting is not None:
            parent.entries.append((parent.waiting, node))
            parent.waiting = None
        elif isinstance(node, Scalar):
            parent.waiting = node
        else:
            raise self.refuse(self.mark, "a list or a mapping cannot be a name")


def _tag(event: NodeEvent) -> str | None:
    tag = getattr(event, "tag", None)
    return None if tag is None else str(tag)
