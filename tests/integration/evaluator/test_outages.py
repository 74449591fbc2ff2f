"""The bus goes away and comes back; its log is deleted; a slice arrives after its marker."""

import asyncio
import time

from shared.contracts import ConfigApplied
from shared.kit.bus import Publisher, declare_all
from shared.kit.revisions import move_pointer
from shared.values import Outcome, Partition
from tests.integration.evaluator.stage import Stage, configuration, eventually

OUTAGE_S = 3.0


async def test_a_bus_killed_in_the_middle_of_a_streak_and_started_again_loses_no_verdict(stage: Stage) -> None:
    await stage.apply(configuration(prober_grace="10s"))
    process = stage.start()
    await stage.until_configured()
    prober = stage.prober()
    await prober.ok(0, 1)
    await prober.failed(2)
    # when the bus dies, and the prober goes on with what it has seen as soon as it can
    stage.server.kill()
    died = time.monotonic()
    speaking = asyncio.create_task(prober.failed(*range(3, 8)))
    while time.monotonic() < died + OUTAGE_S:
        await asyncio.sleep(0.05)
    await asyncio.to_thread(stage.server.start)
    await speaking
    await prober.ok(8, 9)
    # then nothing is lost, nobody is falsely accused, and the same process goes on
    await stage.until_told("opened down", "cleared down")
    await stage.until_read()
    assert await stage.told() == ["opened down", "cleared down"]
    assert process.popen.poll() is None

    async def is_ready() -> bool:
        answer = await stage.ask(process, "/readyz")
        return answer is not None and answer.status_code == 200

    await eventually(is_ready, "ready again")


async def test_a_log_deleted_and_declared_anew_is_gone_on_with(stage: Stage) -> None:
    await stage.apply(configuration(restate="1s"))
    stage.start()
    await stage.until_configured()
    prober = stage.prober()
    await prober.failed(0, 1)
    await stage.until_told("opened down")
    await stage.js.delete_stream("SAMPLES")
    await declare_all(stage.js)
    await prober.ok(2, 3)
    await stage.until_told("cleared down")
    assert await stage.told() == ["opened down", "cleared down"]


async def test_a_marker_whose_slice_arrives_late_is_waited_for(stage: Stage) -> None:
    config = configuration()
    process = stage.start()
    # given a log that says by what it is judged, and no such slice yet
    pointer = await move_pointer(stage.js, {"evaluator": config.digest()}, at="", by="test")
    admin = Publisher(stage.client, "/hypercare/test")
    await admin.start()
    await admin.publish(
        ConfigApplied(partition=Partition(0), revision=pointer.revision, digest=config.digest(), hour=0)
    )
    prober = stage.prober()
    await prober.failed(0, 1)

    async def says_so() -> bool:
        return "config_delayed" in process.log

    await eventually(says_so, "the missing slice is said")
    # when it arrives, then everything after the marker is judged by it
    await stage.store(config)
    await stage.until_told("opened down")
    await stage.until_read()


async def test_what_cannot_be_read_is_passed_over_and_said(stage: Stage) -> None:
    await stage.apply(configuration())
    process = stage.start()
    await stage.until_configured()
    prober = stage.prober()
    await prober.send(prober.sample(0, Outcome.FAILED))
    for kind, data in (("hypercare.samples.v1", b"{"), ("hypercare.samples.v2", b"{}")):
        await stage.publisher.publish_raw("hc.samples.v1.0.main", data, {"ce-type": kind})
    await prober.send(prober.sample(1, Outcome.FAILED))
    await stage.until_told("opened down")
    await stage.until_read()
    assert process.log.count("record_set_aside") == 2
