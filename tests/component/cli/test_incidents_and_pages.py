"""The commands a responder uses, on one real failure of the example."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.component.cli.running import Said, Up
from tests.fakes.embedded import wait_until


def find(look: Callable[[], Any], what: str) -> Any:
    """Wait until `look` finds something, and return it."""
    found: list[Any] = []

    def there() -> bool:
        found[:] = [one] if (one := look()) else []
        return bool(found)

    wait_until(there, what, 60.0)
    return found[0]


def open_incident(system: Up) -> Any:
    return find(lambda: system.run("incident", "list", "--json").json(), "an open incident")[0]


def stage(system: Up, name: str) -> str:
    return str(system.run("incident", "show", name, "--json").json()["stage"])


def answer_all(system: Up, name: str) -> None:
    for item in system.run("incident", "show", name, "--json").json()["checklist"]:
        assert system.run("incident", "answer", name, item["item"], "yes").code == 0


@pytest.fixture
def broken(system: Up) -> Iterator[str]:
    """The name of an incident of the example, broken; afterwards the incident is closed and the example healed."""
    assert system.run("drill", "break", "errors").code == 0
    name = open_incident(system)["name"]
    yield name
    close(system, name)


def close(system: Up, name: str) -> None:
    """Take an incident to its end, from wherever it is."""
    system.run("drill", "heal")
    system.run("incident", "ack", name)
    if stage(system, name) == "assessment":
        system.run("incident", "advance", name, "--reason", "the end of a test")
    wait_until(lambda: stage(system, name) not in {"alert", "assessment", "response"}, "it is resolved", 60.0)
    if stage(system, name) == "resolution":
        answer_all(system, name)
        wait_until(lambda: stage(system, name) != "resolution", "its watch is over", 60.0)
    answer_all(system, name)
    if stage(system, name) != "closed":
        assert system.run("incident", "advance", name, "--reason", "the end of a test").code == 0
    assert stage(system, name) == "closed"


def refused(said: Said, words: str) -> bool:
    return said.code == 1 and words in said.err


def test_a_responder_takes_an_incident_through_its_stages_with_commands(system: Up, broken: str) -> None:
    assert broken in system.run("incident", "list").out
    shown = system.run("incident", "show", broken).out
    assert "web-down/web-health/main" in shown
    assert "CHECKLIST of alert" in shown

    assert "assessment, critical, acknowledged by admin" in system.run("incident", "ack", broken).out
    assert system.run("incident", "ack", broken, "--json").json()["acknowledged_by"] == "admin"
    assert refused(system.run("incident", "resolve", broken, "--summary", "done"), "still open")
    assert stage(system, broken) == "assessment"
    advanced = system.run("incident", "advance", broken, "--reason", "rollback decided")
    assert "response" in advanced.out
    assert system.run("incident", "answer", broken, "0", "rolled back").code == 0
    assert refused(system.run("incident", "answer", broken, "99", "what"), "not on the checklist")

    assert system.run("drill", "heal").code == 0
    wait_until(lambda: stage(system, broken) == "resolution", "it is resolved when it has healed", 60.0)
    assert "TIMELINE" in system.run("incident", "show", broken).out
    close(system, broken)
    assert broken not in {one["name"] for one in system.run("incident", "list", "--json").json()}
    closed = system.run("incident", "list", "--state", "closed", "--json").json()
    assert broken in {one["name"] for one in closed}


def test_the_ledger_shows_each_pages_way_to_a_person(system: Up, broken: str) -> None:
    def paged() -> list[dict[str, Any]]:
        pages = system.run("page", "list", "--incident", broken, "--json").json()
        return [p for p in pages if p["addressee"] == "ana" and p["kind"] == "page" and p["state"] == "accepted"]

    page = find(paged, "the page to ana was accepted by her mail server")[0]["page"]

    assert page in system.run("page", "list").out
    shown = system.run("page", "show", page)
    assert f"page for ana: accepted ({broken})" in shown.out
    assert "email to ana@example.org: accepted" in shown.out
    assert "sending           attempt 1 by email-smtp-0, from notifier-0" in shown.out
    one = system.run("page", "show", page, "--json").json()["deliveries"][0]
    assert one["attempts"][0]["outcome"] == "Accepted"
    assert [step["state"] for step in one["steps"]] == ["queued", "sending", "accepted"]

    assert has_link_to_press(system, broken)
    assert system.run("incident", "ack", broken).code == 0
    stopped = find(lambda: system.run("page", "show", page, "--json").json()["stop"], "the acknowledgement is known")
    assert stopped["reason"] == "acknowledged by admin (api)"
    assert "no send begins any more: acknowledged by admin (api)" in system.run("page", "show", page).out
    wait_until(lambda: not has_link_to_press(system, broken), "the inbox offers nothing to press any more", 60.0)
    assert refused(system.run("page", "show", "nope"), "no page nope")


def test_a_job_that_says_that_it_failed_pages_with_its_own_words(system: Up) -> None:
    address = system.run("status", "--json").json()["heartbeats"]["nightly-backup"]
    assert httpx.post(f"{address}/fail", content=b"disk full", trust_env=False, timeout=30).status_code == 200
    name = open_incident(system)["name"]
    try:
        assert name.endswith("backup-failed")
        shown = system.run("incident", "show", name).out
        assert "disk full" in shown

        def mails() -> list[str]:
            got = httpx.get(f"{system.address('sinks_url')}/received.json", trust_env=False, timeout=30).json()
            return [one["text"] for one in got if one["incident"] == name and one["kind"] == "page"]

        assert "disk full" in find(mails, "ana has a page")[0]
    finally:
        assert httpx.get(address, trust_env=False, timeout=30).status_code == 200
        close(system, name)


def has_link_to_press(system: Up, incident: str) -> bool:
    """Whether the inbox offers an acknowledge link for this incident."""
    page = httpx.get(f"{system.address('inbox_url')}messages", trust_env=False, timeout=30).text
    section = page.partition(f"</span> {incident}</h2>")[2].partition("</section>")[0]
    assert section, f"the inbox does not show {incident}"
    return 'class="ack"' in section


def may(url: str, token: str | None, method: str = "GET", body: object = None) -> tuple[int, str]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    answer = httpx.request(method, url, headers=headers, json=body, trust_env=False, timeout=30)
    if answer.is_error:
        said = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert said["status"] == answer.status_code
        return answer.status_code, said["detail"]
    return answer.status_code, ""


def test_a_token_may_do_what_its_role_says_and_no_more(system: Up, broken: str) -> None:
    tokens = {}
    for role in ("viewer", "responder", "manager", "admin"):
        made = system.run("token", "create", "--name", f"a-{role}", "--role", role, "--json")
        assert made.json()["role"] == role
        tokens[role] = made.json()["token"]
    incidents = f"{system.address('incidents_url')}/api/v1/incidents"
    pages = f"{system.address('notifier_url')}/api/v1/pages"
    acknowledge, advance = f"{incidents}/{broken}/acknowledge", f"{incidents}/{broken}/advance"
    by_force = {"override": True, "reason": "we have to"}

    for address in (incidents, pages):
        assert may(address, None)[0] == 401
        assert may(address, "hc_made-up") == (401, "this token is not known")
        assert all(may(address, token)[0] == 200 for token in tokens.values())
    assert may(acknowledge, None, "POST")[0] == 401
    assert may(acknowledge, tokens["viewer"], "POST") == (
        403,
        "this needs the role responder; the token has viewer",
    )
    assert may(acknowledge, tokens["responder"], "POST")[0] == 200
    assert may(advance, tokens["responder"], "POST", by_force) == (403, "overriding a gate needs the role manager")
    assert may(advance, tokens["manager"], "POST", by_force)[0] == 200
    assert may(f"{incidents}/{broken}", tokens["admin"])[0] == 200
    timeline = system.run("incident", "show", broken, "--json").json()["timeline"]["entries"]
    assert {"a-responder", "a-manager"} <= {entry["actor"] for entry in timeline}


def test_a_token_is_printed_once_and_alone(system: Up) -> None:
    said = system.run("token", "create", "--name", "wall", "--role", "viewer")
    assert said.out.strip().startswith("hc_")
    assert len(said.out.split()) == 1
