"""The bus goes away and comes back; its log is deleted; a slice arrives after its marker."""

import asyncio
import os
import time

from prometheus_client import REGISTRY

from shared.contracts import ConfigApplied
from shared.kit.bus import Publisher, declare_all
from shared.kit.revisions import move_pointer
from shared.values import Outcome, Partition
from tests.integration.evaluator.stage import Stage, eventually
from tests.integration.evaluator.telling import configuration

OUTAGE_S = 3.0


async def test_a_bus_killed_in_the_middle_of_a_streak_and_started_again_loses_no_verdict(live: Stage) -> None:
    await live.apply(configuration(prober_grace="10s"))
    await live.until_configured()
    prober = live.prober()
    await prober.ok(0, 1)
    await prober.failed(2)
    # when the bus dies, and the prober goes on with what it has seen as soon as it can
    live.server.kill()
    died = time.monotonic()
    speaking = asyncio.create_task(prober.failed(*range(3, 8)))
    while time.monotonic() < died + OUTAGE_S:
        await asyncio.sleep(0.05)
    await asyncio.to_thread(live.server.start)
    await speaking
    await prober.ok(8, 9)
    # then nothing is lost, nobody is falsely accused, and the same process goes on
    await live.until_told("opened down", "cleared down")
    await live.until_read()
    assert await live.told() == ["opened down", "cleared down"]
    await eventually(lambda: is_ready(live), "ready again")


async def is_ready(live: Stage) -> bool:
    answer = await live.ask(os.getpid(), "/readyz")
    return answer is not None and answer.status_code == 200


async def test_a_log_deleted_and_declared_anew_is_gone_on_with(live: Stage) -> None:
    await live.apply(configuration(restate="1s"))
    await live.until_configured()
    prober = live.prober()
    await prober.failed(0, 1)
    await live.until_told("opened down")
    await live.js.delete_stream("SAMPLES")
    await declare_all(live.js)
    await prober.ok(2, 3)
    await live.until_told("cleared down")
    assert await live.told() == ["opened down", "cleared down"]


async def test_a_marker_whose_slice_arrives_late_is_waited_for(live: Stage) -> None:
    config = configuration()
    # given a log that says by what it is judged, and no such slice yet
    pointer = await move_pointer(live.js, {"evaluator": config.digest()}, at="", by="test")
    admin = Publisher(live.client, "/hypercare/test")
    await admin.start()
    await admin.publish(
        ConfigApplied(partition=Partition(0), revision=pointer.revision, digest=config.digest(), hour=0)
    )
    prober = live.prober()
    await prober.failed(0, 1)
    assert not await is_ready(live)
    # when it arrives, then everything after the marker is judged by it
    await live.store(config)
    await live.until_told("opened down")
    await live.until_read()


async def test_what_cannot_be_read_is_passed_over_and_counted(live: Stage) -> None:
    before = {what: set_aside(what) for what in ("undecodable", "unknown_type")}
    await live.apply(configuration())
    await live.until_configured()
    prober = live.prober()
    await prober.send(prober.sample(0, Outcome.FAILED))
    for kind, data in (("hypercare.samples.v1", b"{"), ("hypercare.samples.v2", b"{}")):
        await live.publisher.publish_raw("hc.samples.v1.0.main", data, {"ce-type": kind})
    await prober.send(prober.sample(1, Outcome.FAILED))
    await live.until_told("opened down")
    assert [set_aside(what) - count for what, count in before.items()] == [1, 1]
    await live.until_read()


def set_aside(what: str) -> float:
    return REGISTRY.get_sample_value("hypercare_evaluator_notes_total", {"what": what}) or 0
