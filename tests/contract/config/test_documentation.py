"""docs/configuration.md must be complete and true."""

import re
from pathlib import Path

import pytest

from shared.config import load, parse
from shared.config.checks import PHASES, SECRET_HEADERS
from shared.config.cut_people import incidents_slice
from shared.config.slice_models import StageName
from shared.config.types import Strict
from shared.config.workflow import MESSAGE_FIELDS
from shared.values import Severity, parse_duration

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
CODE = " ".join(re.findall(r"`([^`\n]+)`", PAGE))


def _models(base: type[Strict] = Strict) -> list[type[Strict]]:
    return [model for one in base.__subclasses__() for model in (one, *_models(one))]


@pytest.mark.parametrize("model", _models(), ids=lambda model: str(model.__name__))
def test_every_field_is_on_the_page(model: type[Strict]) -> None:
    names = [field.alias or name for name, field in model.model_fields.items()]
    assert [name for name in names if not re.search(rf"\b{name}\b", CODE)] == []


def test_the_example_on_the_page_is_valid() -> None:
    example = PAGE.split("```yaml\n")[1].split("```")[0]
    assert list(parse(example, "docs/configuration.md", {}).rules) == ["web-down"]


def test_fixed_words_are_on_the_page() -> None:
    assert [word for word in (*MESSAGE_FIELDS, *PHASES) if word not in CODE] == []
    assert [name for name in SECRET_HEADERS if name not in CODE.lower()] == []


@pytest.mark.parametrize("stage", StageName)
def test_the_workflow_on_the_page_is_the_shipped_one(stage: StageName) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{stage}` | ") and line.count("|") == 6)
    _, _, clock, update, questions, gate, _ = (cell.strip() for cell in row.split("|"))
    plan = incidents_slice(load(ROOT / "examples" / "sample.yaml", {})).workflow[stage]
    assert (int(questions), gate) == (len(plan.checklist), plan.gate)
    for told, real in ((clock, plan.clock), (update, plan.update_every)):
        words = [] if told.startswith("—") else [part.split() for part in told.split(", ")]
        expected = {
            severity: parse_duration(part[-1])
            for part in words
            for severity in ([Severity(part[0])] if len(part) > 1 else Severity)
        }
        assert real == expected
