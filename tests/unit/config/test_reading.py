"""How texts become documents: YAML 1.2, variables, includes, differences."""

import os
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.config import Change, ConfigErrors, Document, SecretMissing, SecretRef, difference, load, parse, slices
from shared.config.difference import ChangeKind
from shared.config.json_path import parse_json_path
from shared.config.scalars import expand, resolve_plain
from shared.config.types import Threshold, Unit
from shared.values import CheckId, PersonId
from tests.unit.config.build import SMALL, document


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((word, word) for word in ("no", "NO", "on", "12:30", "2026-11-24", "1_000", "5s", ".nan")),
        *(("true", True), ("~", None), ("", None), ("0o17", 15), ("0x1F", 31), ("010", 10), ("-1.5e3", -1500.0)),
    ],
)
def test_a_plain_word_means_what_yaml_1_2_says(text: str, value: object) -> None:
    assert resolve_plain(text) == value
    assert type(resolve_plain(text)) is type(value)


def test_nothing_behind_a_name_is_an_error_and_null_can_be_expected() -> None:
    with pytest.raises(ConfigErrors, match=r"rules\.down\.symptom: has no value"):
        document(("symptom: outage", "symptom: "))
    expected = document(("is: ok", "is: null")).checks[CheckId("health")].http
    assert expected is not None
    assert (expected.expect.json_[0].op, expected.expect.json_[0].value) == ("is", None)


def test_variables_are_expanded_with_defaults_and_can_be_escaped() -> None:
    known = {"A": "x", "EMPTY": ""}
    assert expand("${A}-${B:-y}-${EMPTY:-z}-$${A}-$A", known) == "x-y-z-${A}-$A"
    with pytest.raises(ValueError, match="B"):
        expand("${B}", known)


def test_a_variable_keeps_its_type_unless_quoted() -> None:
    read = document(("channels:", "evaluation:\n  partitions: ${N}\nchannels:"), variables={"N": "8"})
    assert read.evaluation.partitions == 8


def test_a_number_from_a_variable_may_stand_in_quotes_and_a_phone_from_one_stays_a_text() -> None:
    read = document(
        ("port: 2525", "port: '${PORT:-2525}'"),
        ("'+4915112345678'", "'${PHONE}'"),
        ("name: Ana Sommer", "name: '${NUMBER}'"),
        variables={"PORT": "25", "PHONE": "+4915100000000", "NUMBER": "7"},
    )
    assert read.channels.email[0].smtp.port == 25
    assert (read.people[PersonId("ana")].name, read.people[PersonId("ana")].reach[0].sms) == ("7", "+4915100000000")


def test_an_expanded_secret_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigErrors) as caught:
        document(("file:/run/p", "'${PASSWORD}'"), variables={"PASSWORD": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_anchors_and_merges_save_typing() -> None:
    text = SMALL.replace(
        "  backup:\n", "  copy: &x\n    service: web\n    every: 7s\n    http: {url: http://a/}\n  backup:\n"
    )
    text = text.replace("rules:\n", "  other: {<<: *x, every: 9s}\nrules:\n", 1)
    read = parse(text, "merged.yaml", {})
    assert {name: str(check.every) for name, check in read.checks.items() if name in {"copy", "other"}} == {
        "copy": "0:00:07",
        "other": "0:00:09",
    }


def test_files_are_included_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    people = SMALL[SMALL.index("people:") : SMALL.index("escalations:")]
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "people.yaml").write_text("include: [more.yaml]\n" + people, encoding="utf-8")
    (tmp_path / "parts" / "more.yaml").write_text(
        "people:\n  mira: {name: Mira, reach: [{email: m@example.org}]}\n", encoding="utf-8"
    )
    main = tmp_path / "main.yaml"
    main.write_text("include: [parts/people.yaml]\n" + SMALL.replace(people, ""), encoding="utf-8")
    assert set(load(main, {}).people) == {"ana", "joao", "mira"}


def test_an_error_in_an_included_file_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "people.yaml").write_text("people:\n  bo: {name: Bo, raech: []}\n", encoding="utf-8")
    main = tmp_path / "main.yaml"
    main.write_text("include: [people.yaml]\n" + SMALL, encoding="utf-8")
    with pytest.raises(ConfigErrors) as caught:
        load(main, {})
    assert [str(error) for error in caught.value.errors] == [
        f'{tmp_path / "people.yaml"}:2:18: people.bo.raech: unknown field; did you mean "reach"?'
    ]


def test_a_cycle_through_two_files_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("include: [a.yaml]\n", encoding="utf-8")
    main = tmp_path / "a.yaml"
    main.write_text("include: [b.yaml]\n" + SMALL, encoding="utf-8")
    with pytest.raises(ConfigErrors, match="already part of this"):
        load(main, {})


def test_a_file_that_is_not_there_is_an_error_like_any_other(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match="No such file"):
        load(tmp_path / "nowhere.yaml", {})


def test_include_needs_files() -> None:
    with pytest.raises(ConfigErrors, match="only from a file"):
        parse("include: [x.yaml]\n" + SMALL, "text.yaml", {})


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("500ms", Unit.S, 0.5),
        ("200ms", Unit.MS, 200.0),
        ("2s", Unit.MS, 2000.0),
        ("80%", Unit.PERCENT, 80.0),
        ("80%", Unit.RATIO, 0.8),
        ("1.5GiB", Unit.BYTES, 1.5 * 1024**3),
        (42, Unit.NUMBER, 42.0),
        ("-3.5", Unit.NUMBER, -3.5),
    ],
)
def test_a_threshold_is_kept_in_the_unit_of_what_is_measured(text: object, unit: Unit, value: float) -> None:
    assert Threshold.read(text).measured_in(unit) == value


def test_a_json_path_names_one_value() -> None:
    assert parse_json_path("$") == ()
    assert parse_json_path("$.a[0]['b c'].d-e[-1]") == ("a", 0, "b c", "d-e", -1)
    for text in ("a", "$.", "$..a", "$[*]", "$.a[", "$[?(@.x)]", "$ "):
        with pytest.raises(ValueError, match="path"):
            parse_json_path(text)


def test_a_secret_is_looked_up_where_it_is_used(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n", encoding="utf-8")
    assert SecretRef.read(f"file:{secret}").resolve({}) == "s3cret"
    with pytest.raises(SecretMissing, match="env:NOWHERE"):
        SecretRef.read("env:NOWHERE").resolve({})
    with pytest.raises(SecretMissing, match="FileNotFoundError"):
        SecretRef.read(f"file:{tmp_path / 'gone'}").resolve({})


def test_a_difference_names_what_was_added_removed_and_changed() -> None:
    old = document()
    new = document(
        ("critical: 1s", "critical: 2s"),
        ("  backup:\n", "  added: {service: web, every: 5s, http: {url: http://a/}}\n  backup:\n"),
        ("  cold: {check: health, mean: {of: hits, over: 1m, below: {low: 80%}}, clear: {for: 2m}}\n", ""),
    )
    assert [(change.kind, change.path) for change in difference(old, new)] == [
        (ChangeKind.ADDED, "checks.added"),
        (ChangeKind.CHANGED, "rules.slow.p95.above.critical"),
        (ChangeKind.REMOVED, "rules.cold"),
    ]
    assert Change(ChangeKind.CHANGED, "rules.slow.p95.above.critical", "1s", "2s") in difference(old, new)
    assert difference(old, old) == []


def test_a_change_reads_as_one_line() -> None:
    changes = difference(document(), document(("critical: 1s", "critical: 2s")))
    assert [str(change) for change in changes] == ['~ rules.slow.p95.above.critical: "1s" -> "2s"']
    assert str(Change(ChangeKind.ADDED, "locations", None, ["main"])) == '+ locations: ["main"]'
    assert str(Change(ChangeKind.REMOVED, "rules.cold", {"check": "a"})) == '- rules.cold: {"check": "a"}'


def test_a_document_is_stored_as_json_and_comes_back_the_same() -> None:
    for read in (document(), document(("is: ok", "is: null")), document(("is: ok", "above: 3"))):
        again = Document.model_validate_json(read.model_dump_json())
        assert difference(read, again) == []
        assert {name: one.digest() for name, one in slices(again).items()} == {
            name: one.digest() for name, one in slices(read).items()
        }


def test_a_first_document_is_all_added_name_by_name() -> None:
    paths = [change.path for change in difference(None, document())]
    assert "people.ana" in paths
    assert "services.web" in paths
    assert {change.kind for change in difference(None, document())} == {ChangeKind.ADDED}


def test_a_document_cannot_be_changed_after_it_was_read() -> None:
    read = document()
    with pytest.raises(ValueError, match="frozen"):
        read.people[PersonId("ana")].name = "Eve"  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize("place", ["file", "include"])
def test_a_pipe_is_refused_and_not_waited_for(place: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    file = tmp_path / "hypercare.yaml"
    file.write_text(f"include: [pipe]\n{SMALL}", encoding="utf-8")
    with pytest.raises(ConfigErrors, match="is not a regular file"):
        load(pipe if place == "file" else file, {})


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/null", "."])
def test_a_device_or_folder_is_no_configuration(name: str) -> None:
    with pytest.raises(ConfigErrors, match=f"^{re.escape(name)}:1:1: cannot be read: is not a regular file$"):
        load(Path(name), {})


def test_what_was_applied_under_earlier_rules_can_still_be_read() -> None:
    new = document(("name: Ana", "name: A-na"))
    stored = new.model_dump_json().replace("A-na", r"A\u0000\nna").encode()
    assert Document.read_applied(stored).people[PersonId("ana")].name.startswith("A\0\nna")
    with pytest.raises(ValidationError, match="must be one line"):
        Document.model_validate_json(stored)
