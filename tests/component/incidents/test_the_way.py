"""One replica, from the first breach to the written post-mortem."""

from shared.contracts import (
    IncidentAcknowledged,
    IncidentClosed,
    IncidentOpened,
    IncidentResolved,
    PageState,
    StageEntered,
)
from tests.component.incidents.system import System, until


async def test_a_breach_becomes_a_page_and_goes_all_the_way_to_closed(system: System) -> None:
    await system.ready()

    rev = await system.open_breach()
    page = await system.hear_page("ana")
    assert page.title.startswith("CRITICAL INCIDENT")
    opened = await system.hear(lambda m: isinstance(m, IncidentOpened), "opened")
    assert isinstance(opened, IncidentOpened)

    await system.give_receipt(page, PageState.ACKNOWLEDGED)
    await system.hear(lambda m: isinstance(m, IncidentAcknowledged) and m.person == "ana", "acknowledged")
    await system.clear_breach(rev + 1)
    await system.hear(lambda m: isinstance(m, StageEntered) and m.stage == "resolution", "resolution")

    for item in range(5):
        answer = await system.ask("POST", f"/{opened.name}/answers", {"item": str(item), "answer": "yes"})
        assert answer.status_code == 200, answer.text

    async def resolved() -> bool | None:
        await system.state_open_set([])
        return True if any(isinstance(m, IncidentResolved) for m in system.heard) else None

    await until(resolved, "the watch is over")
    for item in range(8):
        answer = await system.ask("POST", f"/{opened.name}/answers", {"item": str(item), "answer": "a cable"})
        assert answer.status_code == 200, answer.text
    await system.hear(lambda m: isinstance(m, IncidentClosed), "closed")

    timeline = (await system.ask("GET", f"/{opened.name}/timeline")).json()
    assert timeline["verified"] is True
    assert [e["kind"] for e in timeline["entries"]][:2] == ["opened", "paged"]
    assert (await system.ask("GET", "?state=open")).json() == []
    shown = (await system.ask("GET", f"/{opened.name}")).json()
    assert shown["stage"] == "closed"
    assert await system.replicas[0].stop() == 0


async def test_of_a_backlog_every_end_is_taken_after_its_beginning(system: System) -> None:
    times = 8
    for service in ("erp-db", "erp-0", "erp-1"):
        await system.open_breach(service=service)
    for _ in range(times):
        await system.clear_breach(await system.open_breach() + 1)

    await system.ready()

    async def all_taken() -> bool | None:
        names = {one["service"]: one["id"] for one in (await system.ask("GET", "")).json()}
        if len(names) < 4:
            return None
        entries = (await system.ask("GET", f"/{names['erp-web']}/timeline")).json()["entries"]
        return True if [entry["kind"] for entry in entries].count("breach_cleared") == times else None

    await until(all_taken, "every breach was opened before it ended")
