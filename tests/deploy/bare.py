"""Run a module of ours where some packages are not installed: `python -m tests.deploy.bare JSON MODULE ARGUMENT...`.

JSON is the list of what cannot be imported.
"""

import json
import runpy
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec


class Refusing(MetaPathFinder):
    """Says of these that there are none."""

    def __init__(self, missing: frozenset[str]) -> None:
        self._missing = missing

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: object = None) -> ModuleSpec | None:
        """Raise for what is missing, leave the rest to those who know."""
        del path, target
        if fullname.split(".", maxsplit=1)[0] in self._missing:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


def main() -> None:
    """Become the module."""
    sys.meta_path.insert(0, Refusing(frozenset(json.loads(sys.argv[1]))))
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
