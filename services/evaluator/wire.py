"""Reads sample batches fast: a msgspec twin of the pydantic contract, derived from its fields.

One definition, two readers: the contract class is the source, and a test holds the twin to it. Decoding costs a third.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from pydantic import BaseModel

from services.evaluator.domain.records import NOTHING_READ, Samples
from services.evaluator.domain.records import Sample as EngineSample
from shared.contracts import Sample, SampleBatch
from shared.values import Outcome

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FAST: Final[dict[str, Any]] = {
    # What the contract asks of these fields, in the twin's words. Everything else is taken from the annotation.
    "due_at": Annotated[datetime, msgspec.Meta(tz=True)],
    "took_s": Annotated[float, msgspec.Meta(ge=0)],
    "values": dict[str, float],
    "outcome": Outcome,
    "partition": int,
    "batch": int,
}


class UndecodableError(ValueError):
    """Bytes that are no sample batch; the words say why."""


def twin_of(model: type[BaseModel], **replaced: Any) -> type[msgspec.Struct]:
    """A msgspec struct with the same fields, names, order and defaults as a pydantic model."""
    fields: list[Any] = []
    for name, field in model.model_fields.items():
        kind = replaced.get(name) or _FAST.get(name) or (str if field.is_required() else str | None)
        if field.is_required():
            fields.append((name, kind))
        elif field.default_factory is not None:
            fields.append((name, kind, msgspec.field(default_factory=dict)))
        else:
            fields.append((name, kind, field.default))
    return msgspec.defstruct(model.__name__, fields, kw_only=True, frozen=True, gc=False)


FAST_SAMPLE: Final = twin_of(Sample)
FAST_BATCH: Final = twin_of(SampleBatch, samples=list[FAST_SAMPLE])  # type: ignore[valid-type]  # a type made at run time
_decoder: Final = msgspec.json.Decoder(FAST_BATCH)


def decode_batch(data: bytes, log_time_ns: int) -> Samples:
    """Turn the wire's bytes into the engine's record. Raises UndecodableError."""
    try:
        batch: Any = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:  # the last: nested without end
        raise UndecodableError(str(error)) from error
    samples = [
        EngineSample(
            one.check, _ns(one.due_at), one.took_s, one.outcome, one.reason or one.code, one.values or NOTHING_READ
        )
        for one in batch.samples
    ]
    return Samples(log_time_ns, batch.location, batch.prober, samples)


def _ns(at: datetime) -> int:
    delta = at - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000_000 + delta.microseconds * 1000
