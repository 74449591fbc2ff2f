"""`hypercare demo`, whatever is killed on the way."""

import json
from pathlib import Path

import pytest

from cli.told import HOPS
from tests.component.cli.running import hypercare_as

TAKES_S = 170
"""About 11 s on a quiet machine."""


@pytest.mark.timeout(TAKES_S + 10)
@pytest.mark.parametrize("service", ["prober", "evaluator", "incidents", "notifier"])
def test_with_a_service_killed_every_page_arrives_as_often_as_the_ledger_says(service: str, folder: Path) -> None:
    file = folder / "told.json"

    said = hypercare_as(["demo", "--once", "--kill", service, "--json", file], within_s=TAKES_S)

    assert said.code == 0, said.out + said.err
    told = json.loads(file.read_text())
    assert [one["hop"] for one in told["hops"]] == list(HOPS)
    assert told["killed"]["process"] == f"{service}-0"
    assert f"killed            {service}-0 (process " in said.out
    assert told["disagreements"] == []
    received = told["received_by_sinks"]
    assert {one["channel"] for one in received} >= {"email", "chat"}
    assert all(one[mark] is not None for one in received for mark in ("page", "person", "rung", "kind", "at"))
