import asyncio
import json

import nats

from tests.component.cli.running import Up
from tests.fakes.embedded import wait_until


def publish(system: Up, subject: str, body: bytes) -> None:
    """Publish as the bus's own admin, as somebody with a broken program might."""
    password = json.loads((system.data / "secrets.json").read_text())["bus"]["admin"]

    async def send() -> None:
        client = await nats.connect(system.address("nats_url"), user="admin", password=password)
        headers = {"ce-type": "hypercare.no-such-thing.v1", "ce-id": "1"}
        await client.jetstream().publish(subject, body, headers=headers)
        await client.close()

    asyncio.run(send())


def test_what_nobody_can_read_is_a_dead_letter_and_can_be_sent_again(system: Up) -> None:
    assert system.run("dead", "list").code == 0
    before = len(system.run("dead", "list", "--json").json())

    publish(system, "hc.pages.v1.requested", b"not json at all")
    wait_until(lambda: len(system.run("dead", "list", "--json").json()) > before, "it is a dead letter", 60.0)
    letter = system.run("dead", "list", "--json").json()[-1]
    assert letter["text"] == "not json at all"
    assert "PAGES" in system.run("dead", "list").out
    number = str(letter["number"])
    shown = system.run("dead", "show", number, "--json").json()
    assert shown["original_subject"] == "hc.pages.v1.requested"
    assert "unknown message type" in shown["reason"]
    assert "not json at all" in system.run("dead", "show", number).out

    assert system.run("dead", "replay", number).out == "sent again on hc.pages.v1.requested\n"
    wait_until(lambda: len(system.run("dead", "list", "--json").json()) == before + 2, "it died again", 60.0)
    assert system.run("status").code == 0  # a letter nobody can read is no illness of the service


def test_a_letter_that_cannot_be_read_itself_hides_no_other(system: Up) -> None:
    publish(system, "hc.dead.v1.PAGES.notifier-pages", b"{}")
    letter = system.run("dead", "list", "--json").json()[-1]
    assert {**letter, "number": 0} == {
        "number": 0, "at": None, "stream": "PAGES", "consumer": "notifier-pages", "reason": "unreadable", "text": "{}",
    }  # fmt: skip
    assert system.run("dead", "list").code == 0
    assert system.run("dead", "replay", str(letter["number"])).code == 1


def test_a_letter_that_is_not_there_is_said(system: Up) -> None:
    said = system.run("dead", "show", "4711")
    assert (said.code, said.err) == (1, "hypercare: there is no dead letter 4711\n")
    assert system.run("dead", "replay", "4711").code == 1
