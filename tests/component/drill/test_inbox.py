"""The inbox: what a person sees, what a program reads, and what neither can be tricked into."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shared.kit.http import bind, serving
from tests.fakes.sinks import Sinks, running_sinks


@asynccontextmanager
async def client_of(sinks: Sinks) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sinks.http_url, trust_env=False, timeout=5) as client:
        yield client


async def say(client: httpx.AsyncClient, text: str, **more: str) -> None:
    answer = await client.post("/services/T0/B0/x", json={"text": text, **more})
    assert answer.text == "ok"


async def test_other_peoples_text_is_shown_and_never_run(tmp_path: Path) -> None:
    evil = '<script>alert(1)</script> http://h.test/"><img src=x onerror=alert(2)> javascript:alert(3)'
    async with running_sinks(tmp_path) as sinks, client_of(sinks) as client:
        await say(client, evil, channel="<b>#x</b>")
        await client.post("/hooks/<i>", json={"specversion": "1.0", "id": "1", "type": evil, "data": {"kind": evil}})
        page = await client.get("/")
    for markup in ("<script>alert", "<img", "<b>#x", "<i>", 'href="javascript', 'class="kind <'):
        assert markup not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]


async def test_acknowledge_link_can_be_pressed(tmp_path: Path) -> None:
    async with running_sinks(tmp_path) as sinks, client_of(sinks) as client:
        await say(client, "ERP down: http://127.0.0.1:8800/a/tok.")
        page = (await client.get("/")).text
    link = '<a class="ack" href="http://127.0.0.1:8800/a/tok" target="_blank" rel="noopener noreferrer">Acknowledge</a>'
    assert link in page


async def test_a_chat_message_stands_under_its_incident(tmp_path: Path) -> None:
    marks = {"event_type": "hypercare_notification", "event_payload": {"incident": "2026-02-20-erp-down"}}
    async with running_sinks(tmp_path) as sinks, client_of(sinks) as client:
        await client.post("/services/T0/B0/x", json={"text": "ERP down", "metadata": marks})
        page = (await client.get("/")).text
    assert "<h2><span>Incident</span> 2026-02-20-erp-down</h2>" in page
    assert "No incident named" not in page


async def test_a_link_that_is_over_is_not_offered_any_more(tmp_path: Path) -> None:
    states = {"/a/mine": "open", "/a/old": "superseded"}

    async def answer(request: Request) -> Response:
        return Response(headers={"hypercare-page": states[request.url.path]})

    sock = bind("127.0.0.1", 0)
    pages = Starlette(routes=[Route("/a/{token}", answer, methods=["HEAD"])])
    async with serving(pages, sock), running_sinks(tmp_path) as sinks, client_of(sinks) as client:
        base = f"http://127.0.0.1:{sock.getsockname()[1]}"
        for token in ("mine", "old"):
            await say(client, f"ERP down: {base}/a/{token}")
        page = (await client.get("/")).text
        assert f'<a class="ack" href="{base}/a/mine"' in page
        assert f'<a class="ack" href="{base}/a/old"' not in page
        assert "no longer needed" in page
        states["/a/mine"] = "acknowledged"
        page = (await client.get("/messages")).text
        assert 'class="ack"' not in page
        assert "✓ acknowledged" in page


async def test_page_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    async with running_sinks(tmp_path) as sinks, client_of(sinks) as client:
        page = (await client.get("/")).text
        assert "http" not in page.replace("http-equiv", "")
        for asset in ("/static/inbox.css", "/static/inbox.js", "/static/icon.svg"):
            assert asset in page
            assert (await client.get(asset)).status_code == 200


async def test_page_filters_by_channel_and_says_who_misbehaves(tmp_path: Path) -> None:
    async with running_sinks(tmp_path) as sinks, client_of(sinks) as client:
        await say(client, "a chat message")
        sinks.behave("smtp", "fail", times=2)
        assert "a chat message" in (await client.get("/?channel=chat")).text
        other = (await client.get("/?channel=sms")).text
        assert "a chat message" not in other
        assert "The <b>smtp</b> sink has been told to <b>fail</b> 2 times more." in other


async def test_received_json_goes_on_from_a_number_and_leaves_out_what_nobody_got(tmp_path: Path) -> None:
    async with running_sinks(tmp_path) as sinks, client_of(sinks) as client:
        await say(client, "one")
        sinks.behave("slack", "lie", times=1)
        await say(client, "two")
        await say(client, "three")
        listed = (await client.get("/received.json")).json()
        everything = (await client.get("/received.json?all=1")).json()
        assert [(m["n"], m["text"]) for m in listed] == [(1, "one"), (3, "three")]
        assert [m["delivered"] for m in everything] == [True, False, True]
        assert [m["n"] for m in (await client.get("/received.json?since=1")).json()] == [3]
        assert (await client.get("/received.json?since=soon")).status_code == 400
        assert len(listed[0]["at"]) == len("2026-11-24T09:41:02.123456Z")


async def test_open_page_is_told_of_each_message_as_it_arrives(tmp_path: Path) -> None:
    async with running_sinks(tmp_path) as sinks, client_of(sinks) as client:
        await say(client, "before")
        async with asyncio.timeout(10), client.stream("GET", "/events?since=0") as events:
            lines = (line async for line in events.aiter_lines() if line.startswith("data: "))
            first = json.loads((await anext(lines)).removeprefix("data: "))
            await say(client, "while open")
            second = json.loads((await anext(lines)).removeprefix("data: "))
        assert (first["text"], second["text"]) == ("before", "while open")


async def test_sinks_stop_at_once_though_a_page_is_open(tmp_path: Path) -> None:
    async with asyncio.timeout(5), httpx.AsyncClient(trust_env=False, timeout=5) as client:
        async with running_sinks(tmp_path) as sinks:
            request = client.build_request("GET", f"{sinks.http_url}/events")
            events = await client.send(request, stream=True)
        with pytest.raises(httpx.RemoteProtocolError):
            await events.aread()


async def test_behaviour_is_told_over_http_and_mistakes_are_named(tmp_path: Path) -> None:
    async with running_sinks(tmp_path) as sinks, client_of(sinks) as client:
        told = await client.put("/behave/twilio", json={"mode": "throttle", "times": 3, "delay_s": 2})
        assert told.json() == {"mode": "throttle", "times": 3, "delay_s": 2.0, "code": None}
        assert (await client.get("/behave")).json()["twilio"]["mode"] == "throttle"
        assert (await client.put("/behave/fax", json={"mode": "ok"})).status_code == 404
        wrong = await client.put("/behave/smtp", json={"mode": "ok", "tims": 3})
        assert wrong.status_code == 422
        assert "tims" in wrong.json()["error"]


async def test_refused_messages_are_among_the_attempts_only(tmp_path: Path) -> None:
    async with running_sinks(tmp_path) as sinks, client_of(sinks) as client:
        sinks.behave("webhook", "fail", times=1)
        await client.post("/hooks/x", json={})
        await client.post("/hooks/x", json={})
        attempts = (await client.get("/attempts.json")).json()
        assert [(a["wire"], a["to"], a["mode"]) for a in attempts] == [("webhook", "x", "fail"), ("webhook", "x", "ok")]
        assert len(sinks.received()) == 1
