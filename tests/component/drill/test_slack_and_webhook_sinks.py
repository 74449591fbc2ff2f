"""The chat and webhook sinks, spoken to over HTTP."""

import hashlib
import hmac
import json
from pathlib import Path

import httpx
import pytest

from cli.drill.sinks import Options
from tests.fakes.sinks import Sinks, running_sinks

SECRET = "whsec"
EVENT = {
    "specversion": "1.0",
    "id": "d1",
    "source": "hypercare/notifier",
    "type": "hypercare.page.v1",
    "datacontenttype": "application/json",
    "data": {"page": "p1", "incident": "i1", "kind": "page", "person": "ana", "rung": 0, "text": "ERP <b>down</b>"},
}


async def post(url: str, **what: object) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        return await client.post(url, **what)  # type: ignore[arg-type]  # httpx's own arguments, one test each


def signed(body: bytes, t: int, secret: str = SECRET) -> dict[str, str]:
    v1 = hmac.new(secret.encode(), f"{t}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Hypercare-Signature": f"t={t},v1={v1}", "Content-Type": "application/cloudevents+json"}


def hook_of(sinks: Sinks) -> str:
    return f"{sinks.http_url}/hooks/platform"


async def test_slack_answers_ok_and_keeps_what_a_person_reads(tmp_path: Path) -> None:
    async with running_sinks(tmp_path) as sinks:
        text = "ERP &amp; shop down <http://127.0.0.1:8800/a/tok|Acknowledge>"
        answer = await post(sinks.addresses.slack_url, json={"text": text})
        [chat] = sinks.received()
    assert (answer.status_code, answer.text) == (200, "ok")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert chat.text == "ERP & shop down Acknowledge (http://127.0.0.1:8800/a/tok)"
    assert (chat.channel, chat.to, chat.ack_url) == ("chat", "T0DRILL/B0DRILL", "http://127.0.0.1:8800/a/tok")


async def test_slack_blocks_are_read_in_their_order(tmp_path: Path) -> None:
    button = {"type": "button", "text": {"type": "plain_text", "text": "Acknowledge"}, "url": "http://h.test/a/tok"}
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "ERP down"}},
        {"type": "section", "fields": [{"type": "mrkdwn", "text": "critical"}]},
        {"type": "actions", "elements": [button]},
    ]
    async with running_sinks(tmp_path) as sinks:
        await post(sinks.addresses.slack_url, json={"text": "fallback", "blocks": blocks, "channel": "#erp-launch"})
        [chat] = sinks.received()
    assert chat.text == "ERP down\ncritical\nAcknowledge (http://h.test/a/tok)"
    assert chat.to == "#erp-launch"


@pytest.mark.parametrize(
    ("path", "body", "status", "word"),
    [
        ("/services/T0/B0/x", b"{not json", 400, "invalid_payload"),
        ("/services/T0/B0/x", b"\xff", 400, "invalid_payload"),
        ("/services/T0/B0/x", b"{}", 400, "no_text"),
        ("/services/X0/B0/x", b'{"text":"hi"}', 404, "no_service"),
    ],
)
async def test_slack_refuses_in_its_own_words(tmp_path: Path, path: str, body: bytes, status: int, word: str) -> None:
    async with running_sinks(tmp_path) as sinks:
        answer = await post(f"{sinks.http_url}{path}", content=body)
        assert (answer.status_code, answer.text) == (status, word)
        assert sinks.received() == []


@pytest.mark.parametrize(
    ("mode", "code", "status", "word"),
    [
        ("fail", None, 500, "rollup_error"),
        ("reject", None, 404, "no_service"),
        ("reject", "channel_is_archived", 410, "channel_is_archived"),
        ("throttle", None, 429, "rate_limited"),
    ],
)
async def test_slack_misbehaves_as_told(tmp_path: Path, mode: str, code: str | None, status: int, word: str) -> None:
    async with running_sinks(tmp_path) as sinks:
        sinks.behave("slack", mode, times=1, code=code)
        refused = await post(sinks.addresses.slack_url, json={"text": "hi"})
        assert (refused.status_code, refused.text) == (status, word)
        assert ("Retry-After" in refused.headers) == (mode == "throttle")
        assert (await post(sinks.addresses.slack_url, json={"text": "hi"})).text == "ok"
        assert len(sinks.received()) == 1


@pytest.mark.parametrize("form", ["structured", "binary"])
async def test_webhook_reads_both_forms_of_an_event(tmp_path: Path, form: str) -> None:
    async with running_sinks(tmp_path) as sinks:
        if form == "structured":
            await post(hook_of(sinks), json=EVENT, headers={"Content-Type": "application/cloudevents+json"})
        else:
            headers = {f"ce-{name}": str(EVENT[name]) for name in ("specversion", "id", "source", "type")}
            await post(hook_of(sinks), json=EVENT["data"], headers=headers)
        [event] = sinks.received()
    assert (event.channel, event.to, event.subject) == ("webhook", "platform", "hypercare.page.v1")
    assert (event.page, event.incident, event.kind, event.person, event.rung) == ("p1", "i1", "page", "ana", "0")
    assert (event.message_id, event.sender, event.verified) == ("d1", "hypercare/notifier", None)


async def test_webhook_says_whether_the_signature_is_right(tmp_path: Path) -> None:
    body = json.dumps(EVENT).encode()
    async with running_sinks(tmp_path, Options(data=tmp_path, webhook_secret=SECRET)) as sinks:
        now = int(sinks.running.desk.clock.now().timestamp())
        for headers in [signed(body, now), signed(body, now, "other"), signed(body, now - 3600), {}]:
            await post(hook_of(sinks), content=body, headers=headers)
        assert [m.verified for m in sinks.received()] == [True, False, False, False]
        assert [m.duplicate_of for m in sinks.received()] == [None, 1, 1, 1]


@pytest.mark.parametrize(("mode", "status"), [("fail", 500), ("reject", 400), ("throttle", 429)])
async def test_webhook_refuses_as_told_and_keeps_nothing(tmp_path: Path, mode: str, status: int) -> None:
    async with running_sinks(tmp_path) as sinks:
        sinks.behave("webhook", mode)
        assert (await post(hook_of(sinks), json=EVENT)).status_code == status
        sinks.behave("webhook", mode, code=418)
        assert (await post(hook_of(sinks), json=EVENT)).status_code == 418
        assert sinks.received() == []


@pytest.mark.parametrize("wire", ["slack", "webhook"])
async def test_dropped_answer_leaves_the_message_and_no_word(tmp_path: Path, wire: str) -> None:
    async with running_sinks(tmp_path) as sinks:
        sinks.behave(wire, "drop", times=1)
        url = sinks.addresses.slack_url if wire == "slack" else hook_of(sinks)
        with pytest.raises(httpx.RemoteProtocolError):
            await post(url, json={"text": "hi"})
        assert len(sinks.received()) == 1


async def test_liar_says_ok_and_nobody_receives_anything(tmp_path: Path) -> None:
    async with running_sinks(tmp_path) as sinks:
        sinks.behave("slack", "lie")
        assert (await post(sinks.addresses.slack_url, json={"text": "hi"})).text == "ok"
        assert sinks.received() == []


async def test_webhook_keeps_what_is_no_event_at_all(tmp_path: Path) -> None:
    async with running_sinks(tmp_path) as sinks:
        for body in (b"\xff\x00", b"[1]", b""):
            assert (await post(hook_of(sinks), content=body)).status_code == 200
        assert len(sinks.received()) == 3
