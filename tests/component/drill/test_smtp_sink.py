"""The mail sink, spoken to by two real SMTP clients."""

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import pytest

from cli.drill.sinks import Options
from cli.drill.smtp import Login
from tests.fakes.sinks import Sinks, running_sinks

ACK = "http://127.0.0.1:8800/a/tok-1_x"


def page_mail(message_id: str = "<page-1@hypercare>", to: str = "ana@example.org") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "pager@example.org", to, "Störung: ERP ist weg"
    mail["Message-ID"] = message_id
    mail["Hypercare-Page"], mail["Hypercare-Incident"] = "p1", "2026-02-20-erp-down"
    mail["Hypercare-Kind"], mail["Hypercare-Person"], mail["Hypercare-Rung"] = "page", "ana", "1"
    mail.set_content(f"Das ERP antwortet nicht.\n\nÜbernehmen: {ACK}\n")
    return mail


async def send(
    sinks: Sinks,
    mail: EmailMessage,
    *,
    timeout: float = 5.0,
    trust: ssl.SSLContext | None = None,
    username: str | None = None,
    password: str | None = None,
) -> None:
    await aiosmtplib.send(
        mail,
        hostname="127.0.0.1",
        port=sinks.smtp_port,
        timeout=timeout,
        start_tls=trust is not None,
        tls_context=trust,
        username=username,
        password=password,
    )


async def test_mail_is_kept_with_its_headers_text_and_link(tmp_path: Path) -> None:
    async with running_sinks(tmp_path) as sinks:
        before = sinks.running.desk.clock.now()
        await send(sinks, page_mail())
        [mail] = sinks.received()
    assert (mail.channel, mail.to, mail.subject) == ("email", "ana@example.org", "Störung: ERP ist weg")
    assert (mail.page, mail.incident, mail.kind) == ("p1", "2026-02-20-erp-down", "page")
    assert (mail.person, mail.rung, mail.message_id) == ("ana", "1", "<page-1@hypercare>")
    assert mail.text.startswith("Das ERP antwortet nicht.")
    assert mail.ack_url == ACK
    assert before <= mail.at
    assert mail.headers["Hypercare-Page"] == "p1"


async def test_each_recipient_has_a_mail_of_its_own(tmp_path: Path) -> None:
    async with running_sinks(tmp_path) as sinks:
        await send(sinks, page_mail(to="ana@example.org, joao@example.org"))
        assert [m.to for m in sinks.received()] == ["ana@example.org", "joao@example.org"]
        assert [m.duplicate_of for m in sinks.received()] == [None, None]


async def test_same_message_id_is_marked_as_a_duplicate(tmp_path: Path) -> None:
    async with running_sinks(tmp_path) as sinks:
        await send(sinks, page_mail())
        await send(sinks, page_mail("<page-2@hypercare>"))
        await send(sinks, page_mail())
        assert [m.duplicate_of for m in sinks.received()] == [None, None, 1]


async def test_plain_standard_library_client_is_served(tmp_path: Path) -> None:
    def talk(port: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
            client.login("anybody", "anything")
            client.send_message(page_mail())

    async with running_sinks(tmp_path) as sinks:
        await asyncio.to_thread(talk, sinks.smtp_port)
        assert len(sinks.received()) == 1


async def test_transient_failure_is_451_and_nothing_is_kept(tmp_path: Path) -> None:
    async with running_sinks(tmp_path) as sinks:
        sinks.behave("smtp", "fail", times=1)
        with pytest.raises(aiosmtplib.SMTPDataError) as refused:
            await send(sinks, page_mail())
        assert refused.value.code == 451
        assert sinks.received() == []
        await send(sinks, page_mail())
        assert len(sinks.received()) == 1
        assert [a.mode for a in sinks.attempts()] == ["fail", "ok"]


async def test_rejection_is_550_for_one_recipient_of_two(tmp_path: Path) -> None:
    async with running_sinks(tmp_path) as sinks:
        sinks.behave("smtp", "reject", times=1)
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=sinks.smtp_port, start_tls=False, timeout=5) as client:
            errors, _ = await client.send_message(page_mail(to="gone@example.org, joao@example.org"))
        assert errors["gone@example.org"].code == 550
        assert [m.to for m in sinks.received()] == ["joao@example.org"]


async def test_throttling_is_450(tmp_path: Path) -> None:
    async with running_sinks(tmp_path) as sinks:
        sinks.behave("smtp", "throttle")
        with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refused:
            await send(sinks, page_mail())
        assert refused.value.recipients[0].code == 450


async def test_another_code_brings_the_enhanced_code_of_its_class(tmp_path: Path) -> None:
    async with running_sinks(tmp_path) as sinks:
        sinks.behave("smtp", "fail", code=554)
        with pytest.raises(aiosmtplib.SMTPDataError) as refused:
            await send(sinks, page_mail())
        assert (refused.value.code, refused.value.message[:5]) == (554, "5.3.0")


async def test_mail_sent_again_after_a_lie_repeats_nothing_anybody_got(tmp_path: Path) -> None:
    async with running_sinks(tmp_path) as sinks:
        sinks.behave("smtp", "lie", times=1)
        with pytest.raises(aiosmtplib.SMTPServerDisconnected):
            await send(sinks, page_mail())
        await send(sinks, page_mail())
        assert [(m.n, m.duplicate_of) for m in sinks.received()] == [(2, None)]


@pytest.mark.parametrize(("mode", "kept"), [("drop", 1), ("lie", 0)])
async def test_connection_lost_after_the_final_dot_says_nothing_about_the_mail(
    tmp_path: Path, mode: str, kept: int
) -> None:
    async with running_sinks(tmp_path) as sinks:
        sinks.behave("smtp", mode, times=1)
        with pytest.raises((aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPReadTimeoutError)):
            await send(sinks, page_mail())
        assert len(sinks.received()) == kept
        assert len(sinks.received(undelivered=True)) == 1


async def test_late_answer_comes_after_the_client_gave_up_and_the_mail_is_there(tmp_path: Path) -> None:
    async with running_sinks(tmp_path) as sinks:
        sinks.behave("smtp", "delay", delay_s=60)
        with pytest.raises(aiosmtplib.SMTPReadTimeoutError):
            await send(sinks, page_mail(), timeout=0.5)
        assert len(sinks.received()) == 1


async def test_starttls_with_its_own_authority_and_a_login(tmp_path: Path) -> None:
    options = Options(data=tmp_path, starttls=True, login=Login("pager", "s3:cret"))
    async with running_sinks(tmp_path, options) as sinks:
        trust = ssl.create_default_context(cafile=sinks.addresses.smtp_ca)
        await send(sinks, page_mail(), trust=trust, username="pager", password="s3:cret")
        assert len(sinks.received()) == 1
        with pytest.raises(aiosmtplib.SMTPAuthenticationError) as refused:
            await send(sinks, page_mail(), trust=trust, username="pager", password="wrong")
        assert refused.value.code == 535
        with pytest.raises(aiosmtplib.SMTPResponseException) as asked:
            await send(sinks, page_mail(), trust=trust)
        assert asked.value.code == 530


async def test_a_mail_of_unknown_charset_or_html_only_is_still_shown(tmp_path: Path) -> None:
    html = EmailMessage()
    html["From"], html["To"], html["Subject"] = "a@example.org", "ana@example.org", "html"
    html.set_content(f'<p>Down. <a href="{ACK}">Acknowledge</a></p>', subtype="html")
    odd = b"Subject: odd\r\nContent-Type: text/plain; charset=klingon\r\n\r\nqapla\r\n"
    async with running_sinks(tmp_path) as sinks:
        await send(sinks, html)
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=sinks.smtp_port, start_tls=False, timeout=5) as client:
            await client.sendmail("a@example.org", ["ana@example.org"], odd)
        first, second = sinks.received()
    assert first.ack_url == ACK
    assert "qapla" in second.text
