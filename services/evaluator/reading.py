"""From a stored record to the engine's own: what cannot be read still moves log time, the same for every reader."""

from typing import Final

from pydantic import ValidationError

from services.evaluator.domain.plan import PartitionPlan
from services.evaluator.domain.records import PlanApplied, Record
from services.evaluator.domain.records import Tick as EngineTick
from services.evaluator.metrics import NOTES
from services.evaluator.ports import Plans, RawRecord
from services.evaluator.wire import UndecodableError, decode_batch
from shared.contracts import ConfigApplied, SampleBatch, Tick
from shared.kit.logging import get_logger
from shared.values import Partition

log = get_logger()

KINDS: Final = (SampleBatch.ce_type, ConfigApplied.ce_type, Tick.ce_type)


async def record_of(raw: RawRecord, partition: Partition, plans: Plans, current: PartitionPlan | None) -> Record:
    """Read one record under the plan in force. Raises Transient while a marker's slice has not arrived."""
    try:
        if raw.kind == SampleBatch.ce_type:
            return decode_batch(raw.data, raw.time_ns)
        if raw.kind == ConfigApplied.ce_type:
            return await _marked(raw, partition, plans, current)
        if raw.kind not in KINDS:
            _say(raw, partition, "unknown_type", str(raw.kind))
    except UndecodableError as error:
        _say(raw, partition, "undecodable", str(error))
    return EngineTick(raw.time_ns)


async def _marked(raw: RawRecord, partition: Partition, plans: Plans, current: PartitionPlan | None) -> Record:
    """A marker of an older revision changes nothing: its writer did not know yet of the one in force."""
    try:
        marker = ConfigApplied.from_json(raw.data)
    except ValidationError as error:
        raise UndecodableError(str(error)) from error
    if current is not None and marker.revision < current.revision:
        _say(raw, partition, "overtaken", f"revision {marker.revision} after {current.revision}")
        return EngineTick(raw.time_ns)
    return PlanApplied(raw.time_ns, await plans.plan(marker.digest, marker.revision, partition))


def _say(raw: RawRecord, partition: Partition, what: str, why: str) -> None:
    NOTES.labels(what=what).inc()
    log.warning("record_set_aside", partition=partition, sequence=raw.sequence, what=what, why=why[:300])
