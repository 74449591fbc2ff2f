"""How the sinks read what arrives: links, segments, signatures, Slack's markup, and who belongs to which incident."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from cli.drill.desk import ack_url_in
from cli.drill.inbox import ago, grouped, with_links
from cli.drill.slack import message_text
from cli.drill.sms_text import segments
from cli.drill.store import Channel, Received, joined, marks_in
from cli.drill.twilio_message import signature
from cli.drill.webhook import verified

NOON = datetime(2026, 2, 20, 12, tzinfo=UTC)


def received(n: int, channel: Channel = Channel.EMAIL, **more: str | None) -> Received:
    return Received(n=n, at=NOON + timedelta(seconds=n), channel=channel, to="ana", same_as=str(n), **more)


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("Ack: http://127.0.0.1:8800/a/tok_1-x.", "http://127.0.0.1:8800/a/tok_1-x"),
        ('<a href="https://h.test/base/a/t">Ack</a>', "https://h.test/base/a/t"),
        ("<https://h.test/a/t|Acknowledge>", "https://h.test/a/t"),
        ("(https://h.test/a/t)", "https://h.test/a/t"),
        ("https://h.test/about/t and https://h.test/a/", None),
        ("", None),
    ],
)
def test_acknowledge_link_is_found_in_any_text(text: str, link: str | None) -> None:
    assert ack_url_in(text) == link


@pytest.mark.parametrize(
    ("text", "count"),
    [("a" * 160, 1), ("a" * 161, 2), ("€" * 80, 1), ("€" * 81, 2), ("ж" * 70, 1), ("ж" * 71, 2), ("😀" * 36, 2)],
)
def test_segments_follow_the_alphabet(text: str, count: int) -> None:
    assert segments(text) == count


def test_callback_signature_is_the_one_of_twilios_published_example() -> None:
    params = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    signed = signature("https://mycompany.com/myapp.php?foo=1&bar=2", params, "12345")
    assert signed == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


@pytest.mark.parametrize(("late_s", "right"), [(0, True), (300, True), (301, False), (-301, False)])
def test_webhook_signature_is_right_for_five_minutes_either_way(late_s: int, right: object) -> None:
    t = int(NOON.timestamp())
    v1 = hmac.new(b"s", f"{t}.".encode() + b"{}", hashlib.sha256).hexdigest()
    assert verified(f"t={t},v1={v1}", b"{}", "s", NOON + timedelta(seconds=late_s)) is right


def test_webhook_signature_that_makes_no_sense_is_wrong_and_without_a_secret_nothing_is_said() -> None:
    assert verified("t=1,v1=0", b"{}", None, NOON) is None
    assert verified(None, b"{}", "s", NOON) is False
    assert verified(f"t={int(NOON.timestamp())},v1=é", b"{}", "s", NOON) is False
    assert verified("t=soon,v1=é", b"{}", "s", NOON) is False


def test_slack_text_without_blocks_is_unescaped() -> None:
    assert message_text({"text": "a &lt;b&gt; &amp; <https://h.test>"}) == "a <b> & https://h.test"
    assert message_text({"text": 7}) == ""
    assert message_text({"blocks": "nonsense", "text": "still"}) == "still"


def test_links_are_clickable_and_everything_else_is_escaped() -> None:
    html = str(with_links('<b> see http://h.test/a?x=1&y="><i>, ok'))
    assert html.startswith('&lt;b&gt; see <a href="http://h.test/a?x=1&amp;y=')
    assert "<i>" not in html
    assert "<b>" not in html


def test_sms_joins_the_incident_of_the_mail_with_the_same_link() -> None:
    mail = received(1, incident="erp-down", ack_url="http://h/a/t")
    sms = received(2, Channel.SMS, ack_url="http://h/a/t")
    chat = received(3, Channel.CHAT)
    groups = grouped([mail, sms, chat], [mail, sms, chat])
    assert [(g.incident, [m.n for m in g.messages]) for g in groups] == [(None, [3]), ("erp-down", [2, 1])]


def test_sms_with_a_link_of_its_own_joins_the_incident_that_it_names() -> None:
    mail = received(1, incident="2026-02-20-erp-down", ack_url="http://h/a/t")
    sms = received(2, Channel.SMS, ack_url="http://h/a/u", text="[CRITICAL] ERP is down\n2026-02-20-erp-down\nmore")
    other = received(3, Channel.SMS, text="[CRITICAL] about 2026-02-20-erp-down")
    groups = grouped([mail, sms, other], [mail, sms, other])
    assert [(g.incident, [m.n for m in g.messages]) for g in groups] == [(None, [3]), ("2026-02-20-erp-down", [2, 1])]


def test_marks_are_read_whatever_their_case() -> None:
    marks = marks_in({"HYPERCARE-PAGE": "p", "hypercare-kind": " page ", "X-Page": "no"}, "Hypercare-")
    assert (marks.page, marks.kind, marks.rung) == ("p", "page", None)


def test_repeated_headers_are_kept_and_secret_ones_are_not() -> None:
    pairs = [("Received", "a"), ("Received", "b"), ("Authorization", "Basic x")]
    assert joined(pairs, frozenset({"authorization"})) == {"Received": "a\nb"}


@pytest.mark.parametrize(("seconds", "said"), [(0, "now"), (59, "59 s"), (60, "1 min"), (7200, "2 h"), (-3, "now")])
def test_age_is_said_in_the_largest_unit(seconds: int, said: str) -> None:
    assert ago(NOON - timedelta(seconds=seconds), NOON) == said
