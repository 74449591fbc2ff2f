"""Who gets in, and from where."""

import asyncio
import itertools

import httpx
import pytest
from nats.js.kv import KeyValue

from shared.contracts import IncidentOpened, Stage
from shared.contracts.streams import TOKENS
from shared.kit.tokens import hash_of
from tests.component.console.visiting import SAME, page_says, visiting
from tests.component.console.world import INCIDENT, RESPONDER, VIEWER, Console, World

GUARDED = ("/", "/fragment", "/events", "/whoami", "/services/erp-web/rows", "/incidents/x", "/incidents/x/timeline")
FOREIGN: tuple[dict[str, str], ...] = (
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"origin": "http://evil.example"},
    {"origin": "null"},
    {},
)
ACK = f"/incidents/{INCIDENT}/acknowledge"

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_every_address_asks_for_a_token(shown: Console) -> None:
    async with visiting(shown.url, None) as stranger:
        for path in GUARDED:
            page = await stranger.get(path)
            assert page.status_code == 303, path
            assert page.headers["location"].startswith("/login"), path
            assert (await stranger.get(path, headers={"accept": "*/*"})).status_code == 401, path
        stranger.cookies.set(f"hypercare_{httpx.URL(shown.url).port}", "hc_guessed")
        for path in GUARDED:
            assert (await stranger.get(path, headers={"accept": "*/*"})).status_code == 401, path


async def test_an_unknown_token_is_said_and_sets_no_cookie(shown: Console) -> None:
    async with visiting(shown.url, None) as stranger:
        answer = await stranger.post("/login", data={"token": "hc_wrong"}, headers=SAME)
        assert answer.status_code == 401
        assert "This token is not known." in answer.text
        assert "set-cookie" not in answer.headers


async def test_the_cookie_is_strict_and_hidden_from_scripts(shown: Console) -> None:
    async with visiting(shown.url, None) as stranger:
        answer = await stranger.post("/login", data={"token": RESPONDER, "next": "/incidents/x"}, headers=SAME)
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert answer.headers["location"] == "/incidents/x"


async def test_every_answer_has_the_security_headers(shown: Console) -> None:
    async with visiting(shown.url) as ana:
        for path in ("/", "/login", "/static/console.css", "/nowhere"):
            headers = (await ana.get(path)).headers
            assert headers["content-security-policy"].startswith("default-src 'self'"), path
            assert headers["x-content-type-options"] == "nosniff", path
        assert (await ana.get("/")).headers["cache-control"] == "no-store"


async def test_static_files_are_kept_by_their_digest(shown: Console) -> None:
    async with visiting(shown.url) as ana:
        page = (await ana.get("/")).text
        address = page.split('rel="stylesheet" href="')[1].split('"')[0]
        assert "immutable" in (await ana.get(address)).headers["cache-control"]
        assert (await ana.get("/static/console.css")).headers["cache-control"] == "no-cache"
        assert (await ana.get("/static/../app.py")).status_code == 404


async def test_a_post_from_another_site_is_refused(there: World, shown: Console) -> None:
    async with visiting(shown.url) as ana:
        for headers, path in itertools.product(FOREIGN, (ACK, "/login", "/logout")):
            answer = await ana.post(path, data={"token": RESPONDER}, headers=headers)
            assert answer.status_code == 403, (headers, path)
    assert there.incidents.asked == []


async def test_a_browser_that_only_sends_its_origin_gets_through(there: World, shown: Console) -> None:
    async with visiting(shown.url) as ana:
        assert (await ana.post(ACK, headers={"origin": shown.url})).status_code == 303
    assert there.incidents.asked == [(f"/api/v1/incidents/{INCIDENT}/acknowledge", RESPONDER, {})]


async def test_a_viewer_sees_no_actions_and_cannot_act(there: World, shown: Console) -> None:
    async with visiting(shown.url, VIEWER) as wall:
        await there.say(there.incident(IncidentOpened, 1, Stage.ALERT))
        page = await page_says(wall, "2026-02-20-web-down")
        assert 'action="/incidents' not in page
        answer = await wall.post(ACK, headers={**SAME, "x-requested-with": "console"})
        assert (answer.status_code, answer.text) == (403, "This needs the role responder; you are viewer.")
        answer = await wall.post(ACK, headers=SAME)
        assert answer.status_code == 403
        assert "This needs the role responder; you are viewer." in answer.text
    assert [path for path, *_ in there.incidents.asked if path.endswith("acknowledge")] == []


async def test_logging_out_takes_the_cookie_back(shown: Console) -> None:
    async with visiting(shown.url) as ana:
        assert (await ana.get("/whoami")).text == "ana"
        await ana.post("/logout", headers=SAME)
        assert (await ana.get("/")).status_code == 303


async def test_a_revoked_token_is_out_within_seconds(there: World, shown: Console) -> None:
    async with visiting(shown.url) as ana:
        assert (await ana.get("/")).status_code == 200
        bucket: KeyValue = await there.js.key_value(TOKENS.name)
        await bucket.delete(hash_of(RESPONDER))
        async with asyncio.timeout(10):
            while (await ana.get("/whoami")).status_code == 200:  # asked over HTTP
                await asyncio.sleep(0.1)


@pytest.mark.parametrize("host", ["x:abc", "x:99999", "[", "[::1", "x:\u00b2"])
async def test_any_host_is_answered(shown: Console, host: str) -> None:
    async with visiting(shown.url, None) as stranger:
        answer = await stranger.get("/", headers={b"host": host.encode()})
        assert answer.status_code in {303, 400}


async def test_an_origin_that_is_no_address_is_another_site(shown: Console) -> None:
    async with visiting(shown.url, None) as stranger:
        answer = await stranger.post("/login", data={"token": "x"}, headers={"origin": "http://["})
        assert answer.status_code == 403


async def test_a_slash_too_many_leads_nowhere(shown: Console) -> None:
    async with visiting(shown.url, None) as stranger:
        answer = await stranger.get("/login/", headers={"host": "evil.example"})
        assert (answer.status_code, answer.headers.get("location")) == (404, None)
