import json

import pytest

from services.prober.domain.expect import expectations_of, judge
from services.prober.domain.look import Answer, Finding
from shared.config.slice_models import HttpProbe, JsonCondition, ReadNumber
from shared.config.types import Unit
from shared.values import Outcome

PHASES = {"dns": 0.001, "connect": 0.002, "tls": 0.0, "ttfb": 0.1, "transfer": 0.01}


def probe(**changes: object) -> HttpProbe:
    plain = HttpProbe(
        url="http://127.0.0.1/",
        method="GET",
        headers={},
        secret_headers={},
        statuses=None,
        response_headers={},
        contains=(),
        regexes=(),
        json_conditions=(),
        read={},
        max_redirects=5,
        verify_tls=True,
    )
    return plain.model_copy(update=changes)


def look_at(body: object, expected: HttpProbe, *, status: int = 200, headers: dict[str, str] | None = None) -> Finding:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return judge(Answer(status, headers or {}, raw, 0.113, PHASES), expectations_of(expected))


def condition(path: str, op: str, value: object) -> HttpProbe:
    return probe(json_conditions=(JsonCondition.model_validate({"path": path, "op": op, "value": value}),))


@pytest.mark.parametrize(("status", "is_good"), [(200, True), (204, True), (301, False), (404, False), (500, False)])
def test_without_expectations_any_2xx_is_good(status: int, *, is_good: bool) -> None:
    assert (look_at(b"", probe(), status=status).outcome is Outcome.OK) is is_good


def test_a_wrong_status_is_named_and_hides_nothing_behind_the_body() -> None:
    expected = probe(statuses=(200, 204), contains=("ok",))
    found = look_at(b"oops", expected, status=500)
    assert (found.outcome, found.code, found.reason) == (
        Outcome.FAILED,
        "status",
        "status is 500, expected 200 or 204",
    )


def test_a_header_must_be_there_and_hold_the_text() -> None:
    expected = probe(response_headers={"content-type": "json"})
    assert look_at(b"", expected, headers={"content-type": "application/json"}).outcome is Outcome.OK
    wrong = look_at(b"", expected, headers={"content-type": "text/html"})
    assert wrong.reason == 'header content-type is "text/html", expected "json" in it'
    assert look_at(b"", expected).reason == 'header content-type is missing, expected "json" in it'


def test_a_body_must_hold_words_and_match_patterns() -> None:
    expected = probe(contains=("Welcome",), regexes=(r"v\d+",))
    assert look_at(b"Welcome to v12", expected).outcome is Outcome.OK
    found = look_at(b"Sorry\r\n", expected)
    assert found.code == "body"
    assert found.reason == (
        "body does not contain \"Welcome\" (it begins 'Sorry'); body does not match \"v\\\\d+\" (it begins 'Sorry')"
    )


@pytest.mark.parametrize(
    ("op", "wanted", "got", "is_good"),
    [
        ("is", "ok", "ok", True),
        ("is", "ok", "degraded", False),
        ("is", 1, 1.0, True),
        ("is", 1, True, False),
        ("is", True, True, True),
        ("is", None, None, True),
        ("is", None, 0, False),
        ("matches", "^a+$", "aaa", True),
        ("matches", "^a+$", "b", False),
        ("matches", "1", 1, False),
        ("above", 5, 6, True),
        ("above", 5, 5, False),
        ("below", 5, 4.9, True),
        ("below", 5, "4", False),
    ],
)
def test_one_value_of_the_answer_is_compared(
    op: str, wanted: str | float | None, got: object, *, is_good: bool
) -> None:
    found = look_at({"a": {"b": [0, got]}}, condition("$.a.b[1]", op, wanted))
    assert (found.outcome is Outcome.OK) is is_good


def test_what_was_expected_and_what_came_are_said() -> None:
    assert look_at({"status": "degraded"}, condition("$.status", "is", "ok")).reason == (
        '$.status is "degraded", expected "ok"'
    )
    assert look_at({"n": 3}, condition("$.n", "above", 5)).reason == "$.n is 3, expected above 5"


def test_a_missing_value_and_an_answer_that_is_no_json_are_told_apart() -> None:
    missing = look_at({"other": 1}, condition("$.status", "is", "ok"))
    assert (missing.code, missing.reason) == ("json-missing", '$.status is missing, expected "ok"')
    html = look_at(b"<html>\n<body>", condition("$.status", "is", "ok"))
    assert (html.code, html.reason) == ("not-json", "body is not JSON (it begins '<html> <body>')")


def test_numbers_are_read_beside_the_phases() -> None:
    found = look_at({"cache": {"hit_rate": 93}}, probe(read={"rate": ReadNumber(path="$.cache.hit_rate", unit=Unit.S)}))
    assert found.values == {**PHASES, "rate": 93.0}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"cache": {}}', "value rate missing at $.cache.hit_rate"),
        (b"plain text", "value rate missing at $.cache.hit_rate"),
        (b'{"cache": {"hit_rate": "93"}}', 'value rate at $.cache.hit_rate is not a number ("93")'),
        (b'{"cache": {"hit_rate": true}}', "value rate at $.cache.hit_rate is not a number (true)"),
        (b'{"cache": {"hit_rate": NaN}}', "value rate at $.cache.hit_rate is not a number (NaN)"),
        (b'{"cache": {"hit_rate": 1e999}}', "value rate at $.cache.hit_rate is not a number (Infinity)"),
        (b"[" * 100_000, "value rate missing at $.cache.hit_rate"),
    ],
)
def test_a_number_that_is_not_there_is_said_and_not_zero(body: bytes, said: str) -> None:
    found = look_at(body, probe(read={"rate": ReadNumber(path="$.cache.hit_rate", unit=Unit.S)}))
    assert (found.outcome, found.code, found.reason) == (Outcome.OK, "value-missing", said)
    assert "rate" not in found.values


def test_a_huge_integer_is_no_number_to_count_with() -> None:
    found = look_at(b'{"n": 1' + b"0" * 400 + b"}", probe(read={"n": ReadNumber(path="$.n", unit=Unit.S)}))
    assert found.code == "value-missing"
