"""An image installs its own dependency group: all that its code imports, and nothing that it does not."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from typing import Any

import pytest

from tests.deploy.imports import ROOT, distributions, normal, reached_from

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


def _run_bare(image: str, *command: str, bus: str = "nats://127.0.0.1:9") -> subprocess.CompletedProcess[str]:
    """Run it without whatever the image does not install."""
    installed = _installed(_common() | _asked_for(image))
    missing = [
        name for name, packages in packages_distributions().items() if not installed & set(map(normal, packages))
    ]
    return subprocess.run(
        [sys.executable, "-m", "tests.deploy.bare", json.dumps(missing), *command],
        env={"PYTHONPATH": str(ROOT), "HYPERCARE_NATS_URL": bus},
        cwd=ROOT / "docs",  # no data folder of a `hypercare up` is here
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize("service", ["prober", "incidents", "notifier", "console"])
def test_a_service_without_settings_says_in_one_line_each_what_is_missing(service: str) -> None:
    # When
    ended = _run_bare(service, f"services.{service}")
    # Then
    assert ended.returncode == 2
    assert re.fullmatch(r"hypercare: settings:\n(  HYPERCARE_\w+: .+\n)+", ended.stderr), ended.stderr


def test_a_service_that_is_told_to_ask_no_bus_says_so() -> None:
    # When
    ended = _run_bare("evaluator", "services.evaluator", bus="")
    # Then
    assert ended.returncode == 2
    assert ended.stderr == "hypercare: settings:\n  HYPERCARE_NATS_URL: Value error, name a server: nats://host:4222\n"


@pytest.mark.parametrize(
    "command",
    [
        "status",
        "incident list",
        "page list",
        "dead list",
        "token create --name ana",
        "migrate",
        "apply ../examples/sample.yaml",
    ],
)
def test_a_command_of_the_image_lacks_nothing(command: str) -> None:
    # When
    ended = _run_bare("cli", "cli", *command.split())
    # Then
    assert ended.returncode == 3, ended.stderr
    assert "not installed" not in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", ["up", "demo", "drill sinks"])
def test_a_command_that_is_not_for_this_image_says_so(command: str) -> None:
    # When
    ended = _run_bare("cli", "cli", *command.split())
    # Then
    assert ended.returncode == 2
    assert re.fullmatch(r"hypercare: this command needs the package \w+, which is not installed here.*\n", ended.stderr)
