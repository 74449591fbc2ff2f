"""What docs/deploy.md names is there."""

import re
from pathlib import Path

from shared.kit.settings import PREFIX
from tests.deploy import agreement
from tests.deploy.deployed import SERVICES
from tests.deploy.of_compose import ROOT

TEXT = (ROOT / "docs/deploy.md").read_text(encoding="utf-8") + (ROOT / "docs/capacity.md").read_text(encoding="utf-8")


def test_every_variable_it_names_is_read_by_somebody() -> None:
    known = agreement.variables_of_the_command_line()
    for service in SERVICES:
        known |= agreement.variables_of(agreement.settings_of(service))
    in_files = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "deploy").rglob("*.conf"))
    known |= set(re.findall(rf"{PREFIX}[A-Z_]+", in_files))
    assert set(re.findall(rf"{PREFIX}[A-Z_]+[A-Z]", TEXT)) - known == set()


def test_every_file_it_links_to_is_there() -> None:
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", TEXT) if not link.startswith("http")]
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []


def test_every_folder_it_names_is_there() -> None:
    named = {Path(found) for found in re.findall(r"deploy/[\w/.-]*\w", TEXT)}
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_it_counts_the_connections_that_services_open() -> None:
    [(incidents, notifier)] = re.findall(r"Connections: (\d+) per `incidents` and (\d+) per `notifier`", TEXT)
    assert int(incidents) == agreement.settings_of("incidents").model_fields["pool_size"].default
    assert int(notifier) == agreement.settings_of("notifier").model_fields["pool_size"].default
