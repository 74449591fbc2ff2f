"""Each channel against its sink: the real protocol, and everything a provider can do wrong."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from cli.drill.sinks import Options
from cli.drill.smtp import Login
from services.notifier.adapters.channels.chat import ChatChannel
from services.notifier.adapters.channels.email import EmailChannel
from services.notifier.adapters.channels.http_answers import build_client
from services.notifier.adapters.channels.sms import SmsChannel
from services.notifier.adapters.channels.webhook import WebhookChannel
from services.notifier.domain.outcomes import (
    Accepted,
    PermanentFailure,
    SendResult,
    TransientFailure,
    Unknown,
)
from services.notifier.domain.wording import Outgoing
from services.notifier.ports import Channel
from shared.config import SecretRef, UrlRef
from shared.config.slice_models import SlackHook, SmtpAccount, TwilioAccount, WebhookTarget
from shared.kit.clock import SystemClock
from shared.values import DeliveryId, IncidentId, PageId, stable_id
from tests.component.notifier.rig import SECRETS, TWILIO_SID
from tests.fakes.ports import closed_port
from tests.fakes.sinks import Sinks, running_sinks

CLOCK = SystemClock()
LINK = "http://127.0.0.1:8800/a/" + "x" * 48


def message(address: str, **changes: object) -> Outgoing:
    page = PageId(stable_id("a page"))
    whole = Outgoing(
        delivery=DeliveryId(stable_id("delivery", address)),
        page=page,
        incident=IncidentId("0190-inc"),
        incident_name="2026-02-20-erp-down",
        service="erp-web",
        kind="page",
        severity="critical",
        person="ana",
        person_name="Ana Sommer",
        address=address,
        rung=2,
        round=1,
        title="ERP <prod> is down & out",
        lines=("2 of 3 probes failed",),
        runbook="https://wiki.example.org/erp?a=1&b=2",
        ack_url=LINK,
        requested_at=CLOCK.now(),
        first_tried_at=CLOCK.now(),
    )
    return replace(whole, **changes)  # type: ignore[arg-type]  # the fields of one test each


def smtp(port: int, **changes: object) -> SmtpAccount:
    fields = {"name": "email-smtp-0", "host": "127.0.0.1", "port": port, "sender": "pager@example.org"}
    return SmtpAccount.model_validate({"username": None, "password": None, "starttls": False, **fields, **changes})


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with build_client(2.0) as found:
        yield found


@asynccontextmanager
async def silent_port() -> AsyncIterator[int]:
    """A port that takes connections and never says a word."""
    ended = asyncio.Event()

    async def sit(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(sit, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    ended.set()
    server.close()
    await server.wait_closed()


# --- e-mail ---


async def test_a_mail_says_what_it_is_to_people_and_to_programs(sinks: Sinks) -> None:
    channel, sent = EmailChannel(smtp(sinks.smtp_port), CLOCK), message("ana@example.org")
    assert isinstance(await channel.send(sent), Accepted)
    [mail] = sinks.received()
    assert mail.subject == "[CRITICAL] ERP <prod> is down & out"
    assert mail.message_id == f"<{sent.delivery}@example.org>"
    assert (mail.page, mail.incident, mail.kind, mail.person, mail.rung) == (
        sent.page, "2026-02-20-erp-down", "page", "ana", "2",
    )  # fmt: skip
    assert mail.headers["Auto-Submitted"] == "auto-generated"
    assert mail.headers["References"] == mail.headers["In-Reply-To"] == "<incident.0190-inc@example.org>"
    assert mail.ack_url == LINK
    assert "2 of 3 probes failed" in mail.text


@pytest.mark.parametrize(
    ("mode", "code", "expected"),
    [
        ("fail", None, TransientFailure("451 4.3.0 Local error, try again later")),
        ("throttle", None, TransientFailure("450 4.7.1 Too many messages, try again in 1 s")),
        ("reject", None, PermanentFailure("550 5.1.1 No such mailbox here", "recipient")),
    ],
)
async def test_what_the_mail_server_refuses(sinks: Sinks, mode: str, code: int | None, expected: SendResult) -> None:
    sinks.behave("smtp", mode, times=1, code=code)
    assert await EmailChannel(smtp(sinks.smtp_port), CLOCK).send(message("ana@example.org")) == expected
    assert isinstance(await EmailChannel(smtp(sinks.smtp_port), CLOCK).send(message("ana@example.org")), Accepted)


async def test_a_mail_server_that_hangs_up_after_the_final_dot_is_unknown(sinks: Sinks) -> None:
    sinks.behave("smtp", "drop", times=1)
    channel = EmailChannel(smtp(sinks.smtp_port), CLOCK)
    assert isinstance(await channel.send(message("ana@example.org")), Unknown)
    assert isinstance(await channel.send(message("ana@example.org")), Accepted)
    first, again = sinks.received()
    assert first.message_id == again.message_id


async def test_a_mail_server_that_answers_too_late_is_unknown(sinks: Sinks) -> None:
    sinks.behave("smtp", "delay", times=1, delay_s=2)
    channel = EmailChannel(smtp(sinks.smtp_port), CLOCK, timeout_s=0.3)
    assert isinstance(await channel.send(message("ana@example.org")), Unknown)


async def test_a_mail_server_that_is_away_or_silent_has_taken_nothing() -> None:
    with closed_port() as port:
        assert isinstance(await EmailChannel(smtp(port), CLOCK).send(message("a@b.org")), TransientFailure)
    async with silent_port() as port:
        result = await EmailChannel(smtp(port), CLOCK, timeout_s=0.2).send(message("a@b.org"))
        assert isinstance(result, TransientFailure)


async def test_wrong_credentials_are_our_fault_and_right_ones_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_SMTP_USER", "pager")
    login = {"username": "env:TEST_SMTP_USER", "password": "env:TEST_SMTP_PASSWORD"}
    async with running_sinks(tmp_path, Options(data=tmp_path, login=Login("pager", "right"))) as sinks:
        for password, expected in (("wrong", PermanentFailure), ("right", Accepted)):
            monkeypatch.setenv("TEST_SMTP_PASSWORD", password)
            result = await EmailChannel(smtp(sinks.smtp_port, **login), CLOCK).send(message("ana@example.org"))
            assert isinstance(result, expected)
            assert getattr(result, "who", "us") == "us"
        anonymous = await EmailChannel(smtp(sinks.smtp_port), CLOCK).send(message("ana@example.org"))
        assert isinstance(anonymous, PermanentFailure)
        assert anonymous.who == "us"


async def test_starttls_is_used_where_asked_for_and_its_absence_is_our_fault(tmp_path: Path, sinks: Sinks) -> None:
    async with running_sinks(tmp_path / "tls", Options(data=tmp_path, starttls=True)) as secure:
        trust = ssl.create_default_context(cafile=secure.addresses.smtp_ca)
        channel = EmailChannel(smtp(secure.smtp_port, starttls=True), CLOCK, tls=trust)
        assert isinstance(await channel.send(message("ana@example.org")), Accepted)
        distrusting = EmailChannel(smtp(secure.smtp_port, starttls=True), CLOCK)
        refused = await distrusting.send(message("ana@example.org"))
        assert isinstance(refused, PermanentFailure)
        assert (refused.who, "CERTIFICATE_VERIFY_FAILED" in refused.reason) == ("us", True)
        assert len(secure.received()) == 1
    plain = await EmailChannel(smtp(sinks.smtp_port, starttls=True), CLOCK).send(message("ana@example.org"))
    assert isinstance(plain, PermanentFailure)
    assert (plain.who, sinks.received()) == ("us", [])


async def test_a_title_cannot_add_headers(sinks: Sinks) -> None:
    sent = message("ana@example.org", title="down\r\nBcc: everybody@example.org", person_name="Ana\r\nX: y")
    assert isinstance(await EmailChannel(smtp(sinks.smtp_port), CLOCK).send(sent), Accepted)
    [mail] = sinks.received()
    assert "Bcc" not in mail.headers
    assert "X" not in mail.headers


# --- SMS ---


def twilio(sinks: Sinks, client: httpx.AsyncClient, public_url: str = "http://127.0.0.1:9") -> SmsChannel:
    account = TwilioAccount(
        name="sms-twilio-0",
        account=SecretRef.read("env:TEST_TWILIO_SID"),
        token=SecretRef.read("env:TEST_TWILIO_TOKEN"),
        sender="+4930123456",
        api_url=sinks.addresses.twilio_url,
    )
    return SmsChannel(account, client, CLOCK, public_url)


async def test_a_text_message_is_short_and_carries_the_link(sinks: Sinks, client: httpx.AsyncClient) -> None:
    result = await twilio(sinks, client).send(message("+4915112345678"))
    [text] = sinks.received()
    assert result == Accepted(text.message_id)
    assert (text.to, text.sender, text.ack_url) == ("+4915112345678", "+4930123456", LINK)
    assert text.text.startswith("[CRITICAL] ERP <prod> is down & out\n")


@pytest.mark.parametrize(
    ("mode", "code", "expected"),
    [
        ("fail", None, TransientFailure("20500 An internal server error has occurred")),
        ("throttle", None, TransientFailure("20429 Too Many Requests", timedelta(seconds=3))),
        ("reject", None, PermanentFailure("21211 Invalid 'To' Phone Number: +4915112345678", "recipient")),
        ("reject", 21610, PermanentFailure("21610 Invalid 'To' Phone Number: +4915112345678", "recipient")),
        ("reject", 20003, PermanentFailure("20003 Invalid 'To' Phone Number: +4915112345678", "us")),
        ("reject", 21611, TransientFailure("21611 Invalid 'To' Phone Number: +4915112345678")),
    ],
)
async def test_what_twilio_refuses(
    sinks: Sinks, client: httpx.AsyncClient, mode: str, code: int | None, expected: SendResult
) -> None:
    sinks.behave("twilio", mode, times=1, code=code, delay_s=3)
    assert await twilio(sinks, client).send(message("+4915112345678")) == expected
    assert sinks.received() == []


async def test_after_an_unknown_end_twilio_is_asked_and_the_text_is_not_sent_twice(
    sinks: Sinks, client: httpx.AsyncClient
) -> None:
    sinks.behave("twilio", "drop", times=1)
    channel, sent = twilio(sinks, client), message("+4915112345678")
    assert isinstance(await channel.send(sent), Unknown)
    again = await channel.send(replace(sent, may_have_been_sent=True))
    [text] = sinks.received()
    assert getattr(again, "provider_id", None) == text.message_id


async def test_after_an_unknown_end_that_twilio_knows_nothing_of_the_text_is_sent(
    sinks: Sinks, client: httpx.AsyncClient
) -> None:
    channel, other = twilio(sinks, client), message("+4915112345678", title="another one")
    await channel.send(other)
    assert isinstance(await channel.send(message("+4915112345678", may_have_been_sent=True)), Accepted)
    assert len(sinks.received()) == 2


async def test_a_listing_that_fails_leaves_the_question_open(client: httpx.AsyncClient, sinks: Sinks) -> None:
    wrong = replace(message("+4915112345678"), may_have_been_sent=True)
    channel = twilio(sinks, client)
    channel._account = channel._account.model_copy(update={"api_url": sinks.http_url + "/nowhere"})
    assert isinstance(await channel.send(wrong), Unknown)
    assert sinks.received() == []


# --- chat ---


def slack(sinks: Sinks, client: httpx.AsyncClient) -> ChatChannel:
    del sinks
    return ChatChannel(SlackHook(name="chat-slack-0", webhook=SecretRef.read("env:TEST_SLACK_HOOK")), client, CLOCK)


async def test_a_chat_message_is_escaped_and_mentions_its_member(sinks: Sinks, client: httpx.AsyncClient) -> None:
    assert await slack(sinks, client).send(message("U024BE7LH")) == Accepted()
    [post] = sinks.received()
    assert post.to == "U024BE7LH"
    assert post.text.startswith("<@U024BE7LH> *[CRITICAL] ERP <prod> is down & out*")  # as Slack shows it
    assert post.ack_url == LINK


async def test_a_chat_message_says_to_programs_which_page_it_is(sinks: Sinks, client: httpx.AsyncClient) -> None:
    for kind in ("page", "page", "update"):
        await slack(sinks, client).send(message("#erp", kind=kind, delivery=DeliveryId(stable_id(kind))))
    posts = sinks.received()
    page = stable_id("a page")
    assert [(p.page, p.kind, p.person, p.rung) for p in posts] == [
        (page, "page", "ana", "2"), (page, "page", "ana", "2"), (page, "update", "ana", "2"),
    ]  # fmt: skip
    assert posts[0].incident == "2026-02-20-erp-down"
    assert posts[0].message_id == stable_id("page")
    assert [p.duplicate_of for p in posts] == [None, 1, None], "told apart by the delivery, not by the words"


@pytest.mark.parametrize(
    ("mode", "code", "expected"),
    [
        ("fail", None, TransientFailure("HTTP 500: rollup_error")),
        ("throttle", None, TransientFailure("HTTP 429: rate_limited", timedelta(seconds=3))),
        ("reject", None, PermanentFailure("HTTP 404: no_service", "us")),
        ("reject", "channel_is_archived", PermanentFailure("Slack said channel_is_archived", "recipient")),
        ("reject", "invalid_payload", PermanentFailure("HTTP 400: invalid_payload", "us")),
    ],
)
async def test_what_slack_refuses(
    sinks: Sinks, client: httpx.AsyncClient, mode: str, code: str | None, expected: SendResult
) -> None:
    sinks.behave("slack", mode, times=1, code=code, delay_s=3)
    assert await slack(sinks, client).send(message("#erp")) == expected


# --- webhook ---


def hook(sinks: Sinks, client: httpx.AsyncClient) -> WebhookChannel:
    target = WebhookTarget(
        name="webhook-0", url=UrlRef.read(sinks.addresses.webhook_url), secret=SecretRef.read("env:TEST_HOOK_SECRET")
    )
    return WebhookChannel(target, client, CLOCK)


async def test_a_webhook_is_a_signed_cloud_event_under_its_delivery(
    tmp_path: Path, client: httpx.AsyncClient, sinks: Sinks
) -> None:
    del sinks  # sets the secrets
    options = Options(data=tmp_path, webhook_secret=SECRETS["TEST_HOOK_SECRET"])
    async with running_sinks(tmp_path / "signed", options) as signed:
        sent = message("erp-team")
        assert await hook(signed, client).send(sent) == Accepted()
        [event] = signed.received()
        assert event.verified is True
        assert (event.page, event.incident, event.kind, event.person, event.rung) == (
            sent.page, "2026-02-20-erp-down", "page", "ana", "2",
        )  # fmt: skip
        assert event.subject == "hypercare.notification.v1"
        lower = {name.lower(): value for name, value in event.headers.items()}
        assert lower["idempotency-key"] == sent.delivery
        assert lower["content-type"] == "application/cloudevents+json"
        assert json.loads(event.text)["title"] == "ERP <prod> is down & out"


@pytest.mark.parametrize(
    ("mode", "code", "expected"),
    [
        ("fail", None, TransientFailure),
        ("fail", 503, TransientFailure),
        ("throttle", None, TransientFailure),
        ("reject", None, PermanentFailure),
        ("reject", 408, TransientFailure),
        ("reject", 302, PermanentFailure),
        ("drop", None, Unknown),
    ],
)
async def test_what_a_receiver_refuses(
    sinks: Sinks, client: httpx.AsyncClient, mode: str, code: int | None, expected: type[SendResult]
) -> None:
    sinks.behave("webhook", mode, times=1, code=code)
    assert isinstance(await hook(sinks, client).send(message("erp-team")), expected)


# --- all that go by HTTP ---


@pytest.mark.parametrize("wire", ["twilio", "slack", "webhook"])
async def test_an_answer_that_comes_too_late_is_unknown(sinks: Sinks, wire: str) -> None:
    sinks.behave(wire, "delay", times=1, delay_s=2)
    async with build_client(0.3) as hasty:
        channels: dict[str, Channel] = {
            "twilio": twilio(sinks, hasty), "slack": slack(sinks, hasty), "webhook": hook(sinks, hasty),
        }  # fmt: skip
        assert isinstance(await channels[wire].send(message("+4915112345678")), Unknown)
    assert len(sinks.received()) == 1


async def test_a_receiver_that_cannot_be_reached_has_taken_nothing(sinks: Sinks, client: httpx.AsyncClient) -> None:
    with closed_port() as port:
        target = WebhookTarget(
            name="webhook-0",
            url=UrlRef.read(f"http://127.0.0.1:{port}/"),
            secret=SecretRef.read("env:TEST_HOOK_SECRET"),
        )
        result = await WebhookChannel(target, client, CLOCK).send(message("erp-team"))
    assert isinstance(result, TransientFailure)
    assert sinks.received() == []


async def test_the_account_is_the_one_of_the_secret(sinks: Sinks, client: httpx.AsyncClient) -> None:
    await twilio(sinks, client).send(message("+4915112345678"))
    answer = await client.get(
        f"{sinks.addresses.twilio_url}/2010-04-01/Accounts/{TWILIO_SID}/Messages.json", auth=(TWILIO_SID, "any")
    )
    assert len(answer.json()["messages"]) == 1
