"""Owns the partitions that the members' view gives us: starts an owner for each, lets go of what is not ours."""

import asyncio
import contextlib
from collections.abc import Callable

from services.evaluator.metrics import PARTITIONS
from services.evaluator.owner import Owner
from services.evaluator.ports import LostPartition
from shared.kit.logging import get_logger
from shared.kit.partitions import Membership
from shared.kit.service import end_tasks
from shared.values import Partition

log = get_logger()

LOOK_AGAIN_S = 1.0


class Driver:
    """All partitions of one replica."""

    def __init__(self, membership: Membership, make_owner: Callable[[Partition], Owner]) -> None:
        self._membership = membership
        self._make_owner = make_owner
        self._owners: dict[Partition, tuple[Owner, asyncio.Task[None]]] = {}
        self.partitions = 0
        """How many there are, by the configuration taken; 0: none taken yet."""

    async def run(self) -> None:
        """Follow the members' view for ever."""
        while True:
            self._membership.changed.clear()
            await self._reconcile()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await self._membership.changed.wait()

    async def _reconcile(self) -> None:
        mine = self._membership.mine([Partition(number) for number in range(self.partitions)])
        for partition, (_, task) in list(self._owners.items()):
            if task.done():
                self._say_end(partition, task)
                del self._owners[partition]
            elif partition not in mine:
                await self._let_go(partition)
        for partition in sorted(mine - self._owners.keys()):
            owner = self._make_owner(partition)
            self._owners[partition] = (owner, asyncio.create_task(owner.run(), name=f"partition {partition}"))
        PARTITIONS.set(len(self._owners))

    @staticmethod
    def _say_end(partition: Partition, task: "asyncio.Task[None]") -> None:
        """A lost partition is taken up again if it is still ours; a bug is said whole and tried again."""
        error = task.exception()
        if isinstance(error, LostPartition):
            log.info("partition_lost", partition=partition, reason=str(error))
        else:
            log.error("partition_failed", partition=partition, error=repr(error), exc_info=error)

    async def _let_go(self, partition: Partition) -> None:
        owner, task = self._owners.pop(partition)
        await end_tasks([task])
        await owner.release()
        log.debug("partition_released", partition=partition)

    async def stop(self) -> None:
        """Checkpoint and let go of everything, so that others go on from here at once."""
        await asyncio.gather(*(self._let_go(partition) for partition in list(self._owners)))
