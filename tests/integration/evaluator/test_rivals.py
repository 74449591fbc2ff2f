"""Two owners of one partition, replicas that come and go, and one that freezes and wakes."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from services.evaluator.adapters.bus import BusSpeaker, StoredPlans
from services.evaluator.adapters.checkpoints import JetStreamCheckpoints
from services.evaluator.adapters.jetstream_log import JetStreamLog
from services.evaluator.owner import Owner, Pace, Wanted
from services.evaluator.ports import LostPartition
from shared.config import EvaluatorSlice
from shared.kit.bus import Publisher
from shared.kit.clock import SystemClock
from shared.kit.service import end_tasks
from shared.values import Outcome, Partition, RuleId, partition_of
from tests.integration.evaluator.conftest import login
from tests.integration.evaluator.stage import Process, Stage, eventually
from tests.integration.evaluator.telling import configuration

HERE = Partition(0)


@asynccontextmanager
async def rival(stage: Stage, wanted: Wanted, lost: list[str]) -> AsyncIterator[None]:
    """An owner of partition 0 that asks nobody, on a connection of its own; begins anew when it has lost."""
    client = await login(stage.server, "evaluator")
    publisher = Publisher(client, "/hypercare/evaluator")
    await publisher.start()
    js = client.jetstream(timeout=5)

    async def own() -> None:
        while True:
            owner = Owner(
                HERE,
                JetStreamLog(client, js, HERE),
                JetStreamCheckpoints(js, HERE),
                StoredPlans(js),
                BusSpeaker(publisher),
                SystemClock(),
                Pace(0.2, 1000, 1.0),
                lambda: wanted,
                lambda _: None,
            )
            try:
                await owner.run()
            except LostPartition as error:
                lost.append(str(error))

    task = asyncio.create_task(own())
    try:
        yield
    finally:
        await end_tasks([task])
        await client.close()


async def test_two_owners_of_one_partition_say_what_one_would_and_the_loser_of_a_checkpoint_lets_go(
    stage: Stage,
) -> None:
    config = configuration(restate="1s")
    pointer = await stage.apply(config)
    wanted = Wanted(pointer.revision, config.digest(), frozenset({HERE}))
    lost: list[str] = []
    async with rival(stage, wanted, lost), rival(stage, wanted, lost):
        await stage.until_configured()
        prober, began, second = stage.prober(ago_s=110), time.monotonic(), 0
        while time.monotonic() - began < 10 and second < 100:
            await prober.failed(second, second + 1)
            await prober.ok(second + 2, second + 3)
            second += 4
            await asyncio.sleep(0.3)
        await stage.until_read()
    assert lost
    assert (await stage.told()).count("opened down") == second / 4


async def test_an_evaluator_that_freezes_and_wakes_loses_nothing_and_invents_nothing(stage: Stage) -> None:
    await stage.apply(configuration(restate="1s"))
    frozen = stage.start("evaluator-0")
    await stage.until_configured()
    prober = stage.prober()
    await prober.failed(0, 1)
    await stage.until_told("opened down")
    frozen.kill(signal.SIGSTOP)
    heir = stage.start("evaluator-1")
    await prober.ok(2, 3)
    await stage.until_told("cleared down")
    await prober.failed(4, 5)
    frozen.kill(signal.SIGCONT)
    await prober.ok(6, 7)
    await prober.failed(8, 9)
    await stage.until_read()
    assert heir.popen.poll() is None
    assert (await stage.told()).count("opened down") == 3


def spread(config: EvaluatorSlice, names: list[str]) -> EvaluatorSlice:
    """The same checks for several services, so that several partitions have work."""
    web, rules = next(iter(config.checks.values())), dict(config.rules)
    parts = {name: partition_of(name, config.partitions) for name in names}
    checks = {f"web-{name}": web.model_copy(update={"service": name, "partition": parts[name]}) for name in names}
    down = {
        f"down-{name}": rules[RuleId("down")].model_copy(update={"check": f"web-{name}", "service": name})
        for name in names
    }
    return EvaluatorSlice(**{**dict(config), "services": parts, "checks": checks, "rules": down})


NAMES = ["shop", "desk", "mail", "bank", "cart", "blog"]


async def tell_all(stage: Stage, config: EvaluatorSlice, second: int, *, failed: bool) -> None:
    """Two samples of every check, good or bad."""
    for number, (name, check) in enumerate(sorted(config.checks.items())):
        prober = stage.prober(partition=check.partition)
        prober.name = f"prober-{number}-{second}"
        outcome = Outcome.FAILED if failed else Outcome.OK
        await prober.send(*(prober.sample(each, outcome, check=name) for each in (second, second + 1)))


def all_of(word: str) -> list[str]:
    return [f"{word} down-{name}" for name in NAMES]


async def owned(stage: Stage, process: Process) -> int:
    """How many partitions a replica says it owns."""
    with contextlib.suppress(OSError):
        if (answer := await stage.ask(process.popen.pid, "/metrics")) is not None:
            line = next(one for one in answer.text.splitlines() if one.startswith("hypercare_evaluator_partitions "))
            return int(float(line.split()[1]))
    return -1


def owns(stage: Stage, process: Process, is_enough: Callable[[int], bool]) -> Callable[[], Awaitable[bool]]:
    async def is_so() -> bool:
        return is_enough(await owned(stage, process))

    return is_so


async def test_replicas_share_the_partitions_and_take_over_from_one_that_is_killed_or_stopped(
    stage: Stage, record_property: Callable[[str, object], None]
) -> None:
    config = spread(configuration(partitions=8), NAMES)
    await stage.apply(config)
    first, second = stage.start("evaluator-0"), stage.start("evaluator-1")
    for process in (first, second):
        await eventually(owns(stage, process, lambda count: count == 4), "half of the partitions")
    for partition in {check.partition for check in config.checks.values()}:
        await stage.until_configured(partition=partition)
    # when one is killed
    first.kill()
    began = time.monotonic()
    await tell_all(stage, config, 0, failed=True)
    await stage.until_told(*all_of("opened"))
    killed_s = time.monotonic() - began
    # and comes back, and the other one is asked to stop
    third = stage.start("evaluator-0")
    await eventually(owns(stage, third, lambda count: count == 4), "half of the partitions again")
    second.kill(signal.SIGTERM)
    began = time.monotonic()
    await tell_all(stage, config, 10, failed=False)
    await stage.until_told(*all_of("cleared"))
    stopped_s = time.monotonic() - began
    assert second.popen.returncode == 0
    record_property("taken over after kill -9, s", round(killed_s, 2))
    record_property("taken over after a stop, s", round(stopped_s, 2))
    assert killed_s < 8
    assert stopped_s < 4
    assert sorted(await stage.told()) == sorted(all_of("opened") + all_of("cleared"))
