"""The Twilio sink, spoken to over HTTP the way Twilio's own documentation says, with its callbacks received here."""

import asyncio
import base64
import hashlib
import hmac
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qsl

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cli.drill.serving import LocalServer, listening_socket
from cli.drill.sinks import Options
from tests.fakes.sinks import Sinks, running_sinks

ACCOUNT, TOKEN = "AC" + "0" * 32, "auth-token"
MESSAGES = f"/2010-04-01/Accounts/{ACCOUNT}/Messages"
SMS = {"To": "+4915112345678", "From": "+4930123456", "Body": "ERP down. http://127.0.0.1:8800/a/tok"}


@asynccontextmanager
async def client_of(sinks: Sinks, token: str = TOKEN) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sinks.http_url, auth=(ACCOUNT, token), trust_env=False) as client:
        yield client


class Callbacks:
    """A status callback's receiver that remembers what was posted, and with which signature."""

    def __init__(self) -> None:
        self.url = ""
        self.got: asyncio.Queue[tuple[dict[str, str], str]] = asyncio.Queue()

    async def post(self, request: Request) -> Response:
        params = dict(parse_qsl((await request.body()).decode()))
        self.got.put_nowait((params, request.headers["X-Twilio-Signature"]))
        return Response(status_code=204)

    async def next(self) -> tuple[dict[str, str], str]:
        async with asyncio.timeout(10):
            return await self.got.get()


@asynccontextmanager
async def callbacks() -> AsyncIterator[Callbacks]:
    receiver = Callbacks()
    server = LocalServer(Starlette(routes=[Route("/status", receiver.post, methods=["POST"])]))
    sock = listening_socket("127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{sock.getsockname()[1]}/status?page=p1"
    await server.start(sock)
    try:
        yield receiver
    finally:
        await server.stop()


def signature_of(url: str, params: dict[str, str]) -> str:
    signed = url + "".join(f"{name}{params[name]}" for name in sorted(params))
    return base64.b64encode(hmac.new(TOKEN.encode(), signed.encode(), hashlib.sha1).digest()).decode()


async def test_message_is_created_with_twilios_answer_and_kept(tmp_path: Path) -> None:
    async with running_sinks(tmp_path) as sinks, client_of(sinks) as client:
        answer = await client.post(f"{MESSAGES}.json", data=SMS)
        [sms] = sinks.received()
    made = answer.json()
    assert answer.status_code == 201
    assert re.fullmatch(r"SM[0-9a-f]{32}", made["sid"])
    assert (made["status"], made["to"], made["error_code"]) == ("queued", SMS["To"], None)
    assert made["uri"] == f"{MESSAGES}/{made['sid']}.json"
    assert (sms.channel, sms.to, sms.text, sms.message_id) == ("sms", SMS["To"], SMS["Body"], made["sid"])
    assert (sms.page, sms.ack_url) == (None, "http://127.0.0.1:8800/a/tok")
    assert TOKEN not in sms.model_dump_json()


async def test_callbacks_report_each_state_in_order_and_are_signed(tmp_path: Path) -> None:
    async with callbacks() as receiver, running_sinks(tmp_path) as sinks, client_of(sinks) as client:
        made = (await client.post(f"{MESSAGES}.json", data=SMS | {"StatusCallback": receiver.url})).json()
        reports = [await receiver.next() for _ in range(3)]
        assert [params["MessageStatus"] for params, _ in reports] == ["queued", "sent", "delivered"]
        for params, given in reports:
            assert params["MessageSid"] == made["sid"]
            assert given == signature_of(receiver.url, params)
        fetched = (await client.get(f"{MESSAGES}/{made['sid']}.json")).json()
        assert fetched["status"] == "delivered"


async def test_callbacks_can_go_to_another_server_and_stay_signed_for_the_one_that_was_named(tmp_path: Path) -> None:
    async with callbacks() as receiver:
        named = "https://pages.example.org/status?page=p1"
        told = Options(data=tmp_path, callbacks_to=receiver.url)
        async with running_sinks(tmp_path, told) as sinks, client_of(sinks) as client:
            await client.post(f"{MESSAGES}.json", data=SMS | {"StatusCallback": named})

            params, signed = await receiver.next()

        assert params["MessageStatus"] == "queued"
        assert signed == signature_of(named, params)


async def test_lying_sink_accepts_then_reports_undelivered(tmp_path: Path) -> None:
    async with callbacks() as receiver, running_sinks(tmp_path) as sinks, client_of(sinks) as client:
        sinks.behave("twilio", "lie")
        answer = await client.post(f"{MESSAGES}.json", data=SMS | {"StatusCallback": receiver.url})
        reports = [(await receiver.next())[0] for _ in range(3)]
        assert answer.status_code == 201
        assert (reports[-1]["MessageStatus"], reports[-1]["ErrorCode"]) == ("undelivered", "30003")
        assert sinks.received() == []
        assert [m.delivered for m in sinks.received(undelivered=True)] == [False]


async def test_lying_sink_with_code_0_never_reports(tmp_path: Path) -> None:
    async with callbacks() as receiver, running_sinks(tmp_path) as sinks, client_of(sinks) as client:
        sinks.behave("twilio", "lie", times=1, code=0)
        await client.post(f"{MESSAGES}.json", data=SMS | {"StatusCallback": receiver.url})
        honest = SMS | {"Body": "second", "StatusCallback": receiver.url}
        sid = (await client.post(f"{MESSAGES}.json", data=honest)).json()["sid"]
        assert {(await receiver.next())[0]["MessageSid"] for _ in range(3)} == {sid}
        assert receiver.got.empty()


async def test_sender_that_got_no_answer_finds_its_message_in_the_list(tmp_path: Path) -> None:
    async with running_sinks(tmp_path) as sinks, client_of(sinks) as client:
        sinks.behave("twilio", "drop", times=1)
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post(f"{MESSAGES}.json", data=SMS)
        await client.post(f"{MESSAGES}.json", data=SMS | {"To": "+5511987654321"})
        today = sinks.received()[0].at.date().isoformat()
        listed = (await client.get(f"{MESSAGES}.json", params={"To": SMS["To"], "DateSent": today})).json()
        assert [m["body"] for m in listed["messages"]] == [SMS["Body"]]
        other_day = (await client.get(f"{MESSAGES}.json", params={"DateSent<": "2020-01-01"})).json()
        assert other_day["messages"] == []


async def test_messages_survive_a_restart_on_the_same_ports(tmp_path: Path) -> None:
    async with running_sinks(tmp_path) as sinks, client_of(sinks) as client:
        sid = (await client.post(f"{MESSAGES}.json", data=SMS)).json()["sid"]
        before = sinks.addresses
    async with running_sinks(tmp_path) as sinks, client_of(sinks) as client:
        assert sinks.addresses == before
        assert (await client.get(f"{MESSAGES}/{sid}.json")).json()["body"] == SMS["Body"]
        await client.post(f"{MESSAGES}.json", data=SMS)
        assert [(m.n, m.duplicate_of) for m in sinks.received()] == [(1, None), (2, 1)]


@pytest.mark.parametrize(
    ("mode", "status", "code"), [("fail", 500, 20500), ("reject", 400, 21211), ("throttle", 429, 20429)]
)
async def test_refusals_have_twilios_error_shape(tmp_path: Path, mode: str, status: int, code: int) -> None:
    async with running_sinks(tmp_path) as sinks, client_of(sinks) as client:
        sinks.behave("twilio", mode, times=1, delay_s=7)
        refused = await client.post(f"{MESSAGES}.json", data=SMS)
        assert refused.status_code == status
        assert refused.json().keys() == {"code", "message", "more_info", "status"}
        assert refused.json()["code"] == code
        assert refused.headers.get("Retry-After") == ("7" if mode == "throttle" else None)
        assert sinks.received() == []
        assert (await client.post(f"{MESSAGES}.json", data=SMS)).status_code == 201


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"To": ""}, 21604),
        ({"To": "0151 123"}, 21211),
        ({"From": ""}, 21603),
        ({"Body": ""}, 21602),
        ({"Body": "x" * 1601}, 21617),
        ({"StatusCallback": "not a url"}, 21609),
    ],
)
async def test_impossible_messages_are_refused_by_code(tmp_path: Path, wrong: dict[str, str], code: int) -> None:
    async with running_sinks(tmp_path) as sinks, client_of(sinks) as client:
        refused = await client.post(f"{MESSAGES}.json", data=SMS | wrong)
        assert (refused.status_code, refused.json()["code"]) == (400, code)


async def test_wrong_credentials_are_20003_and_an_unknown_sid_is_20404(tmp_path: Path) -> None:
    async with running_sinks(tmp_path) as sinks, client_of(sinks) as client:
        for auth in [("somebody", "else"), (ACCOUNT, "")]:
            refused = await client.post(f"{MESSAGES}.json", data=SMS, auth=auth)
            assert (refused.status_code, refused.json()["code"]) == (401, 20003)
        missing = await client.get(f"{MESSAGES}/SM{'f' * 32}.json")
        assert (missing.status_code, missing.json()["code"]) == (404, 20404)


async def test_client_that_gives_up_early_still_left_its_message(tmp_path: Path) -> None:
    async with running_sinks(tmp_path) as sinks, client_of(sinks) as client:
        sinks.behave("twilio", "delay", delay_s=60)
        with pytest.raises(httpx.ReadTimeout):
            await client.post(f"{MESSAGES}.json", data=SMS, timeout=httpx.Timeout(5, read=0.3))
        assert len(sinks.received()) == 1
