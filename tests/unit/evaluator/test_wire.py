"""One definition, two readers: the fast twin takes and refuses what the contract does, and reads the same."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.evaluator.wire import FAST_BATCH, FAST_SAMPLE, UndecodableError, decode_batch
from shared.contracts import Sample, SampleBatch
from shared.kit.clock import from_ns
from shared.values import CheckId, Location, Outcome, Partition
from tests.unit.evaluator.story import MAIN

SAMPLE = b'{"check": "web", "due_at": "2026-11-24T03:46:39.250Z", "took_s": 0.25, "outcome": "ok"}'
BATCH = b'{"partition": 7, "location": "main", "prober": "prober-0", "batch": 1, "samples": [%b]}' % SAMPLE


@pytest.mark.parametrize(("model", "twin"), [(Sample, FAST_SAMPLE), (SampleBatch, FAST_BATCH)])
def test_the_twin_has_the_contracts_fields_in_order_with_its_defaults(
    model: type[Sample | SampleBatch], twin: type[msgspec.Struct]
) -> None:
    fields = msgspec.structs.fields(twin)
    assert [one.name for one in fields] == list(model.model_fields)
    assert {one.name for one in fields if one.required} == {
        name for name, field in model.model_fields.items() if field.is_required()
    }


EQUAL = {
    "as it is": (b"x", b"x"),
    "a whole number of seconds": (b"0.25", b"5"),
    "minus nothing": (b"0.25", b"-0.0"),
    "an offset": (b"39.250Z", b"39+01:00"),
    "microseconds": (b"39.250Z", b"39.123456Z"),
    "the year 1": (b"2026-11-24T03:46:39.250Z", b"0001-01-01T00:00:00+14:00"),
    "no reason said as null": (b'"outcome"', b'"reason": null, "outcome"'),
    "values": (b'"outcome"', b'"values": {"dns": 1, "tls": 0.5}, "outcome"'),
    "a field from the future": (b'"outcome"', b'"colour": {"a": [null, 1e5]}, "outcome"'),
    "a name given twice": (b'"batch": 1', b'"batch": 9, "batch": 1'),
}
REFUSED = {
    "NaN": (b"0.25", b"NaN"),
    "NaN among the values": (b'"outcome"', b'"values": {"dns": NaN}, "outcome"'),
    "more than a float holds": (b"0.25", b"1e999"),
    "endless values": (b'"outcome"', b'"values": {"dns": 1e999}, "outcome"'),
    "a number in quotes": (b"0.25", b'"0.25"'),
    "a value in quotes": (b'"outcome"', b'"values": {"dns": "1"}, "outcome"'),
    "a yes for a number": (b"0.25", b"true"),
    "less than nothing": (b"0.25", b"-0.25"),
    "no offset": (b"39.250Z", b"39.250"),
    "seconds since the epoch": (b'"2026-11-24T03:46:39.250Z"', b"1732419999"),
    "those in quotes": (b"2026-11-24T03:46:39.250Z", b"1732419999"),
    "no seconds": (b":39.250Z", b"Z"),
    "no time of day": (b"T03:46:39.250Z", b""),
    "a leap second": (b"03:46:39", b"23:59:60"),
    "another outcome": (b'"ok"', b'"fine"'),
    "no check": (b'"check"', b'"chekc"'),
    "a partition in quotes": (b'"partition": 7', b'"partition": "7"'),
    "half a partition": (b'"partition": 7', b'"partition": 7.0'),
    "a batch that is true": (b'"batch": 1', b'"batch": true'),
    "no values said as null": (b'"outcome"', b'"values": null, "outcome"'),
    "a reason that is a number": (b'"outcome"', b'"reason": 5, "outcome"'),
    "bytes that are no text": (b"prober-0", b"\xff"),
    "something after the end": (b"]}", b"]} x"),
    "nothing": (BATCH.replace(SAMPLE, b""), b""),
}


@pytest.mark.parametrize("change", EQUAL.values(), ids=EQUAL)
def test_what_the_contract_takes_the_twin_takes_and_reads_the_same(change: tuple[bytes, bytes]) -> None:
    data = BATCH.replace(*change)
    assert what_the_twin_reads(data) == what_the_contract_reads(data)


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED)
def test_what_the_contract_refuses_the_twin_refuses(change: tuple[bytes, bytes]) -> None:
    data = b"" if change[1] == b"" and change[0].startswith(b'{"partition') else BATCH.replace(*change)
    assert data != BATCH
    with pytest.raises(ValueError):  # noqa: PT011  # pydantic's; its words are its own
        SampleBatch.from_json(data)
    with pytest.raises(UndecodableError):
        decode_batch(data, 1)


def what_the_twin_reads(data: bytes) -> list[tuple[Any, ...]]:
    record = decode_batch(data, 1)
    return [
        (record.location, record.prober),
        *((*tuple(one)[:4], one.reason, dict(one.values)) for one in record.samples),
    ]


def what_the_contract_reads(data: bytes) -> list[tuple[Any, ...]]:
    """The contract's reading in the engine's words: a code stands in for a reason that is not given."""
    batch = SampleBatch.from_json(data)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return [
        (batch.location, batch.prober),
        *(
            (
                one.check,
                (one.due_at - epoch) // timedelta(microseconds=1) * 1000,
                one.took_s,
                one.outcome,
                one.reason or one.code,
                one.values,
            )
            for one in batch.samples
        ),
    ]


FINITE = st.floats(allow_nan=False, allow_infinity=False)
SAMPLES = st.builds(
    Sample,
    check=st.text(max_size=20).map(CheckId),
    due_at=st.integers(0, 4_000_000_000_000).map(lambda millis: from_ns(millis * 1_000_000)),
    took_s=st.floats(min_value=0, allow_nan=False, allow_infinity=False),
    outcome=st.sampled_from(Outcome),
    reason=st.none() | st.text(min_size=1),
    code=st.none() | st.text(min_size=1, max_size=9),
    values=st.dictionaries(st.text(max_size=9), FINITE, max_size=4),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(SAMPLES, max_size=5))
def test_whatever_a_prober_can_write_is_read_as_it_was_meant(samples: list[Sample]) -> None:
    batch = SampleBatch(partition=Partition(7), location=Location(MAIN), prober="p", batch=1, samples=samples)
    data = batch.to_json()
    assert SampleBatch.from_json(data) == batch
    assert what_the_twin_reads(data) == what_the_contract_reads(data)


def test_endless_nesting_is_refused_like_anything_else_that_cannot_be_read() -> None:
    data = BATCH.replace(b'"batch": 1', b'"x": ' + b"[" * 100_000 + b"]" * 100_000 + b', "batch": 1')
    with pytest.raises(UndecodableError):
        decode_batch(data, 1)


def test_an_instant_far_from_utc_is_the_same_instant() -> None:
    tokyo = datetime(2026, 11, 24, 12, 46, 39, 250_000, tzinfo=timezone(timedelta(hours=9)))
    data = BATCH.replace(b"2026-11-24T03:46:39.250Z", tokyo.isoformat().encode())
    assert decode_batch(data, 1).samples == decode_batch(BATCH, 1).samples
