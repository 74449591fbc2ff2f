"""The bus or the database goes away in the middle, and comes back."""

import asyncio
from pathlib import Path

from shared.contracts import IncidentAcknowledged, PageState
from tests.component.incidents.system import System, running_system, until
from tests.fakes.embedded import NatsServer, new_database
from tests.fakes.servers import start_postgres


async def _is_acknowledged(system: System, incident: str) -> bool | None:
    shown = (await system.ask("GET", f"/{incident}")).json()
    return True if shown.get("acknowledged_by") else None


async def test_a_bus_that_was_away_brings_everything_when_it_is_back(system: System, bus: NatsServer) -> None:
    await system.ready()
    await system.open_breach()
    page = await system.hear_page("ana")
    bus.kill()
    # The person acts while the bus is away: kept, and said as soon as it can be.
    acting = asyncio.create_task(system.ask("POST", f"/{page.incident}/acknowledge"))
    bus.start()
    answer = await acting
    if answer.status_code == 503:  # the token could not be looked up in time
        answer = await system.ask("POST", f"/{page.incident}/acknowledge")
    assert answer.status_code == 200

    async def is_said() -> bool | None:
        return True if any(isinstance(m, IncidentAcknowledged) for m in await system.stored("INCIDENTS")) else None

    await until(is_said, "the acknowledgement reached the bus")
    await system.open_breach(service="erp-0")

    async def is_paged() -> bool | None:
        return True if any(getattr(m, "service", "") == "erp-0" for m in await system.stored("PAGES")) else None

    await until(is_paged, "a breach after the outage becomes a page")


async def test_a_database_that_was_away_is_waited_for(bus: NatsServer, tmp_path: Path) -> None:
    server = start_postgres()
    try:
        async with running_system(bus.url, await new_database(server), tmp_path) as system:
            await system.ready()
            await system.open_breach(service="erp-0")
            await system.hear_page("ana", service="erp-0")

            server.stop()
            await system.open_breach()
            refused = await system.ask("GET", "")
            assert refused.status_code == 503
            server.start()

            page = await system.hear_page("ana")
            await system.give_receipt(page, PageState.ACKNOWLEDGED)
            await until(lambda: _is_acknowledged(system, page.incident), "acknowledged")
    finally:
        server.close()


async def test_without_a_configuration_it_waits_and_is_not_ready(
    bus: NatsServer, database: str, tmp_path: Path
) -> None:
    async with running_system(bus.url, database, tmp_path, is_configured=False) as system:
        replica = await system.start()
        beat = await until(lambda: system.beat("incidents-0", replica), "beats")
        rev = await system.open_breach()

        assert "configuration" in await system.problems(beat)
        await system.configure()

        page = await system.hear_page("ana")
        assert page.service == "erp-web"
        assert rev
