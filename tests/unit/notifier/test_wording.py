"""What people read."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from services.notifier.domain.wording import (
    GSM_LONGEST,
    UCS2_LONGEST,
    Outgoing,
    gsm_length,
    headline,
    plain_text,
    sms_text,
    to_gsm,
)
from shared.values import DeliveryId, IncidentId, PageId

NOW = datetime(2026, 2, 20, 8, tzinfo=UTC)
LINK = "http://127.0.0.1:8800/a/" + "x" * 48
MESSAGE = Outgoing(
    delivery=DeliveryId("0123456789abcdef" * 2),
    page=PageId("p"),
    incident=IncidentId("i"),
    incident_name="2026-02-20-erp-down",
    service="erp-web",
    kind="page",
    severity="critical",
    person="ana",
    person_name="Ana Sommer",
    address="+4915112345678",
    rung=0,
    round=0,
    title="ERP is down",
    lines=("2 of 3 probes failed",),
    runbook="https://wiki.example.org/erp",
    ack_url=LINK,
    requested_at=NOW,
    first_tried_at=NOW,
)


def test_the_headline_carries_the_severity_of_a_page_and_the_kind_of_the_rest() -> None:
    assert headline(MESSAGE) == "[CRITICAL] ERP is down"
    assert headline(replace(MESSAGE, kind="resolved")) == "[RESOLVED] ERP is down"


def test_a_headline_says_the_severity_once() -> None:
    said = "CRITICAL INCIDENT: erp-web answers 500"
    assert headline(replace(MESSAGE, title=said)) == said


def test_a_headline_is_one_line_whatever_the_title() -> None:
    assert headline(replace(MESSAGE, title="ERP\r\nBcc: everybody")) == "[CRITICAL] ERP Bcc: everybody"


def test_the_plain_text_says_everything() -> None:
    text = plain_text(MESSAGE)
    for part in ("ERP is down", "2 of 3 probes failed", "2026-02-20-erp-down", "https://wiki.example.org/erp", LINK):
        assert part in text


def test_an_sms_is_short_and_ends_in_its_link() -> None:
    text = sms_text(replace(MESSAGE, lines=("many words " * 60,)))
    assert text.endswith("...\n" + LINK)
    assert gsm_length(text) <= GSM_LONGEST


def test_an_sms_that_is_cut_still_names_its_incident() -> None:
    assert MESSAGE.incident_name in sms_text(replace(MESSAGE, lines=("many words " * 60,)))


def test_an_sms_without_a_link_ends_in_a_reference_of_its_own() -> None:
    assert sms_text(replace(MESSAGE, ack_url=None)).endswith("\nRef 01234567")


def test_words_that_the_alphabet_has_or_nearly_has_stay_in_it() -> None:
    assert to_gsm("João: „ERP“ – überlastet… 50 €") == 'Joao: "ERP" - überlastet... 50 €'
    assert to_gsm("сервер лежит") is None


def test_another_script_is_sent_as_it_is_but_shorter() -> None:
    text = sms_text(replace(MESSAGE, title="Сервер лежит " * 20))
    assert text.startswith("[CRITICAL] Сервер")
    assert len(text) <= UCS2_LONGEST
    assert text.endswith(LINK)


@given(st.text(max_size=400), st.text(max_size=200))
def test_any_words_make_an_sms_with_its_whole_link(title: str, line: str) -> None:
    text = sms_text(replace(MESSAGE, title=title, lines=(line,)))
    assert text.endswith(LINK)
    assert gsm_length(text) <= GSM_LONGEST
