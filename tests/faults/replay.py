"""Judging the recorded log anew, from its beginning, without a crash: what was said has to be the same."""

from collections import defaultdict
from typing import Final

from services.evaluator.compile import compile_plan
from services.evaluator.domain import verdicts as v
from services.evaluator.domain.engine import Partition as Engine
from services.evaluator.domain.records import PlanApplied, Record, Tick
from services.evaluator.wire import decode_batch
from shared.config import EvaluatorSlice
from shared.contracts import ConfigApplied, SampleBatch
from shared.kit.revisions import fetch_slice
from shared.values import Partition
from tests.faults.outside import Outside, Stored

_KINDS: Final[dict[type[v.Output], str]] = {v.Opened: "opened", v.Changed: "changed", v.Cleared: "cleared"}


async def verdicts_of_the_log(house: Outside, up_to: dict[str, int]) -> dict[str, list[str]]:
    """Kinds of verdicts by key, in order, as a fresh engine gives them for all that is recorded up to a sequence."""
    slices: dict[str, EvaluatorSlice] = {}
    engines: dict[Partition, Engine] = defaultdict(Engine)
    said: dict[str, list[str]] = defaultdict(list)
    for one in await house.stored("SAMPLES"):
        if one.sequence > up_to["SAMPLES"]:
            break
        partition = Partition(int(one.subject.split(".")[3]))
        for output in engines[partition].apply(await _record(house, one, partition, slices)):
            if isinstance(output, v.Opened | v.Changed | v.Cleared):
                key = output.key if isinstance(output, v.Cleared) else output.breach.key
                said[f"{key.rule}/{key.check}/{key.location}"].append(_KINDS[type(output)])
    return said


async def _record(house: Outside, one: Stored, partition: Partition, slices: dict[str, EvaluatorSlice]) -> Record:
    at_ns = int(one.at_s * 1e9)
    match one.message:
        case SampleBatch():
            return decode_batch(one.message.to_json(), at_ns)
        case ConfigApplied(digest=digest, revision=revision):
            if digest not in slices:
                async with house.bus() as client:
                    data = await fetch_slice(client.jetstream(timeout=10), "evaluator", digest)
                slices[digest] = EvaluatorSlice.model_validate_json(data)
            return PlanApplied(at_ns, compile_plan(slices[digest], partition, revision))
        case _:
            return Tick(at_ns)
