"""The API over real tokens: who may do what, and what errors look like."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import nats
import pytest

from services.incidents.api.app import build_app
from shared.contracts import ClearReason
from shared.kit.bus import declare_all
from shared.kit.tokens import Role, Tokens, new_token, store_token
from tests.fakes.embedded import NatsServer
from tests.fakes.keys import TOKEN_KEY
from tests.unit.incidents.house import START, House

NAME = "2026-02-20-web-down"


@dataclass
class Site:
    house: House
    http: httpx.AsyncClient
    tokens: dict[Role, str]

    async def ask(self, method: str, path: str, role: Role | None, body: object = None) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.tokens[role]}"} if role else {}
        return await self.http.request(method, f"/api/v1/incidents{path}", json=body, headers=headers)


@pytest.fixture
async def site(nats_server: NatsServer) -> AsyncIterator[Site]:
    client = await nats.connect(nats_server.url)
    js = client.jetstream()
    await declare_all(js)
    tokens = {role: new_token() for role in Role}
    for role, token in tokens.items():
        await store_token(js, TOKEN_KEY, token, f"a-{role.value}", role, START)
    house = House()
    app = build_app(house.store, house.acts, lambda: house.current_plan, Tokens(js, TOKEN_KEY, house.clock))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://incidents") as http:
        yield Site(house, http, tokens)
    await client.close()


ACTS = [
    ("/acknowledge", {}),
    ("/advance", {"reason": "go"}),
    ("/answers", {"item": "0", "answer": "yes"}),
    ("/notes", {"text": "hm"}),
    ("/severity", {"severity": "high", "reason": "few users"}),
    ("/resolve", {"summary": "done"}),
]


@pytest.mark.parametrize(("path", "body"), ACTS)
async def test_a_viewer_reads_and_does_not_act(site: Site, path: str, body: object) -> None:
    await site.house.open()

    assert (await site.ask("GET", f"/{NAME}", Role.VIEWER)).status_code == 200
    assert (await site.ask("POST", f"/{NAME}{path}", Role.VIEWER, body)).status_code == 403
    assert (await site.ask("POST", f"/{NAME}{path}", None, body)).status_code == 401


async def test_the_actor_is_the_tokens_name(site: Site) -> None:
    await site.house.open()

    answer = await site.ask("POST", f"/{NAME}/acknowledge", Role.RESPONDER)

    assert answer.json()["acknowledged_by"] == "a-responder"
    assert answer.json()["stage"] == "assessment"


async def test_only_a_manager_overrides_a_gate(site: Site) -> None:
    await site.house.open()
    await site.house.clear(2)
    body = {"reason": "the board decided", "override": True}

    assert (await site.ask("POST", f"/{NAME}/advance", Role.RESPONDER, {})).json()["code"] == "gate"
    assert (await site.ask("POST", f"/{NAME}/advance", Role.RESPONDER, body)).status_code == 403
    passed = await site.ask("POST", f"/{NAME}/advance", Role.MANAGER, body)

    assert passed.json()["stage"] == "post_mortem"


async def test_an_incident_is_shown_whole(site: Site) -> None:
    await site.house.open()

    shown = (await site.ask("GET", f"/{NAME}", Role.VIEWER)).json()

    assert shown["severity"] == "critical"
    assert shown["stage_due_at"] == "2026-02-20T08:20:00Z"
    assert shown["breaches"][0]["is_open"] is True
    assert [(page["addressee"], page["kind"], page["state"]) for page in shown["pages"]] == [
        ("ana", "page", None),
        ("chat:#erp-launch", "update", None),
        ("mira", "update", None),
    ]
    assert shown["red"] == []
    by_id = (await site.ask("GET", f"/{shown['id']}", Role.VIEWER)).json()
    assert by_id == shown


async def test_a_checklist_is_shown_with_its_answers(site: Site) -> None:
    await site.house.open()
    await site.ask("POST", f"/{NAME}/acknowledge", Role.RESPONDER)

    answered = (await site.ask("POST", f"/{NAME}/answers", Role.RESPONDER, {"item": "0", "answer": "login"})).json()

    assert answered["checklist"][0]["question"] == "What's broken?"
    assert answered["checklist"][0]["answer"] == "login"
    assert answered["checklist"][0]["by"] == "a-responder"


async def test_what_needs_a_person_is_red(site: Site) -> None:
    await site.house.open()
    await site.house.clear(2, reason=ClearReason.CONFIG)

    (line,) = (await site.ask("GET", "", Role.VIEWER)).json()

    assert line["red"] == ["nothing is open, but not all of it healed: a person has to resolve it"]


async def test_a_timeline_is_shown_with_its_seals(site: Site) -> None:
    await site.house.open()
    await site.ask("POST", f"/{NAME}/notes", Role.RESPONDER, {"text": "looking"})

    shown = (await site.ask("GET", f"/{NAME}/timeline", Role.VIEWER)).json()

    assert shown["verified"] is True
    assert shown["entries"][-1]["text"] == "looking"
    assert shown["entries"][-1]["actor"] == "a-responder"
    assert len(shown["entries"][-1]["hash"]) == 64


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("GET", "/nothing/timeline", None, 404),
        ("POST", "/nothing/acknowledge", None, 404),
        ("GET", "?state=odd", None, 422),
        ("POST", f"/{NAME}/notes", {"text": " "}, 422),
        ("POST", f"/{NAME}/severity", {"severity": "awful", "reason": "x"}, 422),
        ("POST", f"/{NAME}/resolve", {"summary": "done"}, 409),
    ],
)
async def test_errors_are_problem_details(site: Site, method: str, path: str, body: object, status: int) -> None:
    await site.house.open()

    answer = await site.ask(method, path, Role.MANAGER, body)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


async def test_the_openapi_document_names_the_bearer_scheme(site: Site) -> None:
    document = (await site.http.get("/api/v1/openapi.json")).json()

    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    shown = document["paths"]["/api/v1/incidents/{which}/acknowledge"]["post"]
    assert shown["security"] == [{"HTTPBearer": []}]


@pytest.mark.parametrize("path", ["/api/v1/incidents/", "/redoc", "/docs", "/api/v1/docs"])
async def test_there_is_no_way_round_the_addresses_there_are(site: Site, path: str) -> None:
    assert (await site.http.get(path)).status_code == 404
