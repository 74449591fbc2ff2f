"""Which partitions are this replica's: computed anew when members or the configuration change."""

from services.prober.batches import Outlet
from services.prober.domain.plan import Programme
from services.prober.runner import Runner
from shared.kit.logging import get_logger
from shared.kit.partitions import Membership
from shared.values import Partition

log = get_logger()


class Assignment:
    """Tells runner and outlet what is ours. A partition has one owner per location, but two harm nobody."""

    def __init__(self, membership: Membership, runner: Runner, outlet: Outlet) -> None:
        self._membership = membership
        self._runner = runner
        self._outlet = outlet
        self._programme: Programme | None = None
        self.mine: frozenset[Partition] = frozenset()

    def take(self, programme: Programme) -> None:
        """Work by a new revision."""
        self._programme = programme
        self._apply()

    async def run(self) -> None:
        """Follow the members, for ever."""
        while True:
            await self._membership.changed.wait()
            self._membership.changed.clear()
            self._apply()

    def _apply(self) -> None:
        if self._programme is None:
            return
        mine = frozenset(self._membership.mine(self._programme.partitions))
        if mine != self.mine:
            log.info("partitions_changed", mine=sorted(mine), of=len(self._programme.partitions))
        self.mine = mine
        self._runner.assign([plan for plan in self._programme.plans.values() if plan.partition in mine])
        self._outlet.speak_for(mine)
