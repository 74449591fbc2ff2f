"""What the code of an image imports, late imports too, read from its source."""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
OURS = frozenset({"services", "shared", "cli", "examples"})


def source_of(module: str) -> Path | None:
    """The file of one of our modules."""
    path = ROOT.joinpath(*module.split("."))
    candidates = (path / "__init__.py", path.with_suffix(".py"))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def reached_from(modules: Iterable[str], not_into: frozenset[str] = frozenset()) -> set[str]:
    """Every module that these import, directly or through ours; of foreign ones just the first part of the name."""
    reached: set[str] = set()
    waiting = set(modules)
    while waiting:
        module = waiting.pop()
        reached.add(module)
        source = source_of(module) if module.split(".")[0] in OURS else None
        found = set(_imported(source.read_text(encoding="utf-8"))) if source else set()
        waiting |= {_ours_or_top(name) for name in found} - reached - not_into
    return reached


def distributions(modules: Iterable[str]) -> dict[str, list[str]]:
    """Which packages of an index bring these foreign modules, by module."""
    known = packages_distributions()
    foreign = {name for name in modules if name.split(".")[0] not in OURS | sys.stdlib_module_names}
    return {name: [normal(package) for package in known.get(name, [name])] for name in foreign}


def normal(package: str) -> str:
    """Return its name as indexes and lock files write it."""
    return re.sub(r"[-_.]+", "-", package).lower()


def _imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name for name in names if source_of(name))


def _ours_or_top(module: str) -> str:
    top = module.split(".", maxsplit=1)[0]
    return module if top in OURS else top
