"""What we show people must work, and the published schema must be the one that is checked."""

import json
from pathlib import Path

from shared.config import Document, json_schema, load
from shared.config.people import ChannelKind

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "examples" / "sample.yaml"


def _sample() -> Document:
    return load(SAMPLE, {})


def test_the_sample_configuration_is_valid() -> None:
    document = _sample()
    assert list(document.checks) == ["web-health", "web-metrics", "db-status", "nightly-backup"]
    assert document.public_url == "http://127.0.0.1:8800"
    assert document.people["ana"].reach[0].kind is ChannelKind.SMS  # type: ignore[index]  # ids in tests are plain texts


def test_a_variable_changes_what_the_sample_says() -> None:
    assert load(SAMPLE, {"HYPERCARE_URL": "https://care.example.org"}).public_url == "https://care.example.org"


def test_the_published_schema_is_current() -> None:
    published = (ROOT / "docs" / "config.schema.json").read_text(encoding="utf-8")
    assert json.loads(published) == json_schema()


def test_the_schema_names_every_section_of_the_document() -> None:
    assert set(Document.model_fields) | {"include"} == set(json_schema()["properties"])
