from hypothesis import given
from hypothesis import strategies as st

from shared.kit.partitions import assign
from shared.values import Partition

PARTITIONS = [Partition(p) for p in range(16)]
members = st.lists(st.text("abcdef0123456789", min_size=1, max_size=6), min_size=1, max_size=8, unique=True)


@given(members)
def test_every_partition_has_one_owner_and_nobody_more_than_the_bound(names: list[str]) -> None:
    owners = assign(PARTITIONS, sorted(names))
    loads = [list(owners.values()).count(name) for name in names]
    assert set(owners) == set(PARTITIONS)
    assert max(loads) <= -(-16 // len(names))


@given(members, st.randoms())
def test_the_assignment_does_not_depend_on_the_order_members_are_seen_in(names: list[str], random: object) -> None:
    shuffled = list(names)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis hands a random.Random
    assert assign(PARTITIONS, shuffled) == assign(PARTITIONS, names)


def test_nobody_alive_means_no_owner() -> None:
    assert assign(PARTITIONS, []) == {}
