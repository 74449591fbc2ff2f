"""An image installs its own dependency group: all that its code imports, and nothing that it does not."""

import re
import tomllib
from typing import Any

import pytest

from tests.deploy.imports import ROOT, distributions, reached_from

SERVICES = ("prober", "evaluator", "incidents", "notifier", "console")
STARTS = {name: (f"services.{name}.__main__",) for name in SERVICES} | {
    "cli": ("cli.__main__",),
    "example": ("examples.erp.app", "cli.__main__"),
}
ON_A_LAPTOP = frozenset({"cli.runtime.processes"})
"""`hypercare up` looks after processes, which no container does."""
NOT_INTO = {"cli": ON_A_LAPTOP | {"cli.drill.sinks"}, "example": ON_A_LAPTOP}
"""Late imports of commands that are no business of the image: the sinks are run by `example`."""
OPTIONAL = frozenset({"certifi"})
"""Used where it happens to be there."""
NEVER_IMPORTED = frozenset({"tzdata", "python-multipart"})
"""Data, and what Starlette imports by itself."""


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _name(requirement: str) -> str:
    return re.split(r"[>\[]", requirement, maxsplit=1)[0].strip()


def _asked_for(group: str) -> set[str]:
    groups = _project()["dependency-groups"]
    included = [_asked_for(entry["include-group"]) for entry in groups[group] if isinstance(entry, dict)]
    return {_name(entry) for entry in groups[group] if isinstance(entry, str)}.union(*included)


def _common() -> set[str]:
    return {_name(requirement) for requirement in _project()["project"]["dependencies"]}


def _installed(wanted: set[str]) -> set[str]:
    """Close over what these depend on, as locked; the extras of a package count as its own."""
    locked = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    needs: dict[str, set[str]] = {}
    for package in locked:
        extras = package.get("optional-dependencies", {}).values()
        needed = [*package.get("dependencies", []), *(entry for extra in extras for entry in extra)]
        needs[package["name"]] = {entry["name"] for entry in needed}
    found: set[str] = set()
    waiting = set(wanted)
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= needs[name] - found
    return found


def _reached(image: str) -> set[str]:
    return reached_from(STARTS[image], NOT_INTO.get(image, frozenset()))


@pytest.mark.parametrize("image", STARTS)
def test_an_image_installs_all_that_its_code_imports(image: str) -> None:
    # Given
    installed = _installed(_common() | _asked_for(image))
    # When
    imported = distributions(_reached(image))
    # Then
    missing = {name for name, packages in imported.items() if not installed & set(packages)} - OPTIONAL
    assert not missing, f"the group {image} lacks what brings {sorted(missing)}"


@pytest.mark.parametrize("image", STARTS)
def test_an_image_asks_for_nothing_that_its_code_does_not_import(image: str) -> None:
    # When
    imported = {package for packages in distributions(_reached(image)).values() for package in packages}
    # Then
    assert _asked_for(image) - imported <= NEVER_IMPORTED


def test_what_all_images_install_is_imported_by_one_at_least() -> None:
    # When
    imported = {
        package for image in STARTS for packages in distributions(_reached(image)).values() for package in packages
    }
    # Then
    assert _common() - imported <= NEVER_IMPORTED


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_reaches_no_code_that_its_image_lacks(service: str) -> None:
    # Then
    ours = {name for name in _reached(service) if name.split(".")[0] in {"services", "cli", "examples"}}
    assert {name for name in ours if not f"{name}.".startswith(f"services.{service}.")} <= {"services"}


def test_an_import_inside_a_function_counts() -> None:
    # Then
    assert "certifi" in _reached("prober")
