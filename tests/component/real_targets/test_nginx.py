"""A system that was not written for us: nginx, ill in every way a check can see, and then well again."""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import nats
import pytest

from cli.system import find_system
from shared.contracts import BY_TYPE, BreachCleared, BreachOpened, ClearReason
from shared.contracts.base import type_in
from tests.component.cli.running import Up, ended_at_last, place, start
from tests.component.real_targets.certificates import make_certificates
from tests.component.real_targets.illnesses import illnesses
from tests.component.real_targets.nginx import BINARY, Nginx, Ports, silent_upstream
from tests.component.real_targets.shop import Shop, free_ports

pytestmark = [
    pytest.mark.skipif(BINARY is None, reason="no nginx on this machine: apt-get install nginx"),
    pytest.mark.timeout(400),
]
WITHIN_S: Final = 120.0
"""Each wait is about 8 s on a quiet machine."""
PACE_S: Final = 0.25
"""Between two looks: each costs what it looks at some of its processor, and there is one for all of us."""

Verdicts = list[BreachOpened | BreachCleared]
By = dict[str, dict[str, Any]]


def eventually(is_true: Callable[[], bool], what: str) -> None:
    """Wait until it is true, looking now and then."""
    deadline = time.monotonic() + WITHIN_S
    while not is_true():
        assert time.monotonic() < deadline, f"{what}: not within {WITHIN_S:g} s"
        time.sleep(PACE_S)


@contextmanager
def mail_sink(folder: Path) -> Iterator[dict[str, Any]]:
    """Where mails go, as a process of its own; gives its addresses."""
    argv = [sys.executable, "-m", "cli.drill.sinks", "--data", str(folder)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.kill()


@pytest.fixture
def shop() -> Iterator[Shop]:
    with ExitStack() as stack:
        folder = stack.enter_context(place())
        ports = stack.enter_context(closing(Ports()))
        files = folder / "files"
        files.mkdir()
        (files / "trickles").write_text("x" * 60_000)
        (files / "slow").write_text("x" * 6_000)
        facts: dict[str, Any] = {**free_ports(ports), "files": files}
        facts["silent"] = stack.enter_context(silent_upstream())
        facts |= stack.enter_context(mail_sink(folder / "sinks"))
        main, other = Nginx(folder / "main"), Nginx(folder / "other")
        stack.callback(main.stop)
        stack.callback(other.stop)
        yield Shop(folder, facts, make_certificates(folder / "certificates"), ports, main, other)


def verdicts(up: Up) -> Verdicts:
    """All that the evaluator has said, from the bus."""

    async def read() -> Verdicts:
        system = find_system(up.data)
        client = await nats.connect(system.nats_url, user=system.nats_user, password=system.nats_password)
        js = client.jetstream()
        found = []
        for sequence in range(1, (await js.stream_info("BREACHES")).state.last_seq + 1):
            message = await js.get_msg("BREACHES", sequence)
            verdict = BY_TYPE[type_in(message.headers or {}) or ""].from_json(message.data or b"")
            assert isinstance(verdict, BreachOpened | BreachCleared)
            found.append(verdict)
        await client.close()
        return found

    return asyncio.run(read())


def mails(shop: Shop, kind: str) -> list[str]:
    """The text of each mail of a kind."""
    found = httpx.get(f"{shop.facts['http_url']}/received.json", trust_env=False).json()
    return [mail["text"] for mail in found if mail["kind"] == kind]


def about(incident: dict[str, Any], texts: list[str]) -> list[str]:
    """The mails of an incident."""
    return [text for text in texts if f"Incident: {incident['name']}\n" in text]


def have_come(shop: Shop, kind: str, found: By) -> bool:
    """Whether there is a mail of this kind for each incident."""
    texts = mails(shop, kind)
    return all(about(one, texts) for one in found.values())


def incidents(up: Up) -> By:
    """By symptom, which is the rule's name here."""
    return {one["symptom"]: one for one in up.run("incident", "list", "--state", "all", "--json").json()}


def expected(shop: Shop) -> dict[str, tuple[str, str]]:
    """Severity and words of every incident but the slow page's, whose words hold a measured time."""
    found = {
        one.name: (one.severity, f"2 of the last 3 samples failed: {one.says.format(**shop.facts)}")
        for one in illnesses()
    }
    return {**found, "backup": ("high", "nothing heard for 5s")}


def check_words(seen: By, ill: dict[str, tuple[str, str]]) -> None:
    """Each incident says how bad it is and why."""
    assert {name: (seen[name]["severity"], seen[name]["summary"]) for name in seen if name != "slow"} == ill
    assert seen["slow"]["severity"] == "high"
    assert re.fullmatch(r"p95 of total over 6s is [\d.]+ m?s, above 300ms", seen["slow"]["summary"])


def check_pages(shop: Shop, seen: By, ill: dict[str, tuple[str, str]]) -> None:
    """Each has paged a person, in the same words."""
    eventually(lambda: have_come(shop, "page", seen), "a page for each")
    pages = mails(shop, "page")
    for name, (severity, summary) in ill.items():
        for text in about(seen[name], pages):
            assert text.startswith(f"{severity.upper()} INCIDENT: ")
            assert f"{name}/{name}/main: {summary}" in text
            assert "Runbook: https://wiki.example.org/shop" in text


def check_recovery(shop: Shop, up: Up, names: set[str]) -> None:
    """Each was seen to heal, everybody was told, and nothing was ever said of what was well all the time."""
    said = verdicts(up)
    cleared = [one for one in said if isinstance(one, BreachCleared)]
    assert {one.key.rule for one in said} == {one.key.rule for one in cleared} == names
    assert {one.reason for one in cleared} == {ClearReason.HEALED}
    found = incidents(up)
    eventually(lambda: have_come(shop, "resolved", found), "an all-clear for each")


def test_every_illness_of_a_foreign_system_is_named_paged_and_seen_to_heal(shop: Shop) -> None:
    file = shop.folder / "hypercare.yaml"
    file.write_text(shop.configuration(), encoding="utf-8")
    ill = expected(shop)
    shop.fall_ill()
    shop.open_other()

    trusting = {"HYPERCARE_CA_FILE": str(shop.certificates.ca)}
    with ended_at_last(start(shop.folder / "data", shop.folder / "up", "-f", file, env=trusting)) as up:
        up.wait_watching()
        ping = up.run("status", "--json").json()["heartbeats"]["backup"]
        assert httpx.get(ping, trust_env=False).json() == {"ok": True}
        shop.close_other()

        eventually(lambda: incidents(up).keys() >= {*ill, "slow"}, "an incident for each illness")
        seen = incidents(up)
        check_words(seen, ill)
        shown = up.run("incident", "show", seen["expired"]["name"]).out
        assert f"critical: expired/expired/main: {ill['expired'][1]}" in shown
        check_pages(shop, seen, ill)

        shop.get_well()
        shop.open_other()
        file.write_text(shop.configuration(is_well=True), encoding="utf-8")
        assert up.run("apply", file).code == 0

        def stages() -> set[str]:
            httpx.get(ping, trust_env=False)
            return {one["stage"] for one in incidents(up).values()}

        eventually(lambda: stages() == {"resolution"}, "all are seen to heal")
        check_recovery(shop, up, {*ill, "slow"})
