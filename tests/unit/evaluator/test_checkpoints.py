"""Checkpoints: damaged or foreign bytes are refused by name, large states come in pieces."""

import pytest

from services.evaluator.domain import checkpoint
from services.evaluator.domain.checkpoint import CheckpointUnreadable
from services.evaluator.domain.engine import Partition
from tests.unit.evaluator.story import Story, check, down, failed, ok, plan, silent, slow


def busy() -> Partition:
    return Story.under(plan(down(), slow(), silent())).see(ok(5, 0.3), failed(10), failed(15)).partition


def test_an_empty_partition_survives() -> None:
    assert Partition.load(Partition().dump()).dump() == Partition().dump()


def test_a_checkpoint_cut_off_anywhere_is_refused() -> None:
    data = busy().dump()
    for length in range(0, len(data), 7):
        with pytest.raises(CheckpointUnreadable):
            Partition.load(data[:length])


def test_bytes_of_something_else_are_refused() -> None:
    with pytest.raises(CheckpointUnreadable):
        Partition.load(b"\x00\x00\x00\x05hello")


def test_a_version_of_the_future_is_refused_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "VERSION", 99)
    data = busy().dump()
    monkeypatch.undo()
    with pytest.raises(CheckpointUnreadable, match=f"version 99 is not {checkpoint.VERSION}"):
        Partition.load(data)


def test_a_large_state_comes_in_pieces_that_are_the_whole() -> None:
    many = [check(f"check-{number}") for number in range(checkpoint.SERIES_PER_PART + 1)]
    partition = Story.under(plan(checks=many)).partition
    pieces = list(checkpoint.parts(partition))
    assert len(pieces) == 3
    assert b"".join(pieces) == partition.dump()
    assert Partition.load(b"".join(pieces)).dump() == partition.dump()
