"""Goldens hold one real message per version. They are added, never edited."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared import contracts as c
from shared.contracts.asyncapi import asyncapi, stream_of
from shared.contracts.base import Subject
from tests.contract.messages.examples import EXAMPLES, WITH_REVISION

GOLDEN = Path(__file__).parent / "golden"


def golden_of(message: c.Message) -> Path:
    return GOLDEN / f"{name_of(message)}.json"


def name_of(message: c.Message) -> str:
    return f"{message.ce_type}.revision" if message in WITH_REVISION else message.ce_type


def test_every_kind_of_message_has_an_example() -> None:
    assert [type(example) for example in EXAMPLES] == list(c.MESSAGES)


@pytest.mark.parametrize("message", [*EXAMPLES, *WITH_REVISION], ids=name_of)
def test_a_golden_is_still_read_as_the_same_message(message: c.Message) -> None:
    golden = json.loads(golden_of(message).read_text(encoding="utf-8"))
    assert type(message).from_json(json.dumps(golden["data"]).encode()) == message


@pytest.mark.parametrize("message", [*EXAMPLES, *WITH_REVISION], ids=name_of)
def test_a_message_is_still_written_as_its_golden(message: c.Message) -> None:
    golden = json.loads(golden_of(message).read_text(encoding="utf-8"))
    assert message.on_subject == golden["subject"]
    assert c.envelope(message, "/hypercare/test") == golden["headers"]
    assert json.loads(message.to_json()) == golden["data"]


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda m: m.ce_type)
def test_unknown_fields_are_ignored_on_read(message: c.Message) -> None:
    data = json.loads(message.to_json())
    data["added_by_a_newer_writer"] = {"x": 1}
    assert type(message).from_json(json.dumps(data).encode()) == message


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda m: m.ce_type)
def test_every_message_is_kept_by_a_stream(message: c.Message) -> None:
    assert stream_of(type(message))


@pytest.mark.parametrize("bad", ['"0.18"', "NaN", "1e999", "-1"])
def test_a_sample_takes_only_finite_non_negative_durations(bad: str) -> None:
    text = '{"check":"a","due_at":"2026-02-20T08:15:00Z","took_s":%s,"outcome":"ok"}' % bad  # noqa: UP031
    with pytest.raises(ValidationError):
        c.Sample.model_validate_json(text)


def test_a_subject_token_cannot_smuggle_in_another_token() -> None:
    with pytest.raises(ValueError, match="cannot be a token"):
        Subject("hc.x.{a}").of(a="b.c")


def test_the_asyncapi_document_names_every_message_and_no_dangling_reference() -> None:
    document = json.dumps(asyncapi())
    assert all(message.ce_type in document for message in c.MESSAGES)
    assert "#/$defs" not in document
