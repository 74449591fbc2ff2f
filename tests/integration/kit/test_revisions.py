"""The pointer to the current revision, and the answers to it, on a real bus."""

from shared.contracts.streams import CONFIG
from shared.kit.bus import declare_all
from shared.kit.revisions import POINTER, Answer, Follower, Pointer, move_pointer, read_answers, store_slice
from tests.integration.kit.conftest import Bus

DIGESTS = {"prober": "d"}


async def test_a_lost_pointer_does_not_make_revisions_begin_anew(declared: Bus) -> None:
    js = declared.js
    # given a third revision, by which the logs go on, and a bucket that was emptied
    for number in (1, 2, 3):
        pointer = await move_pointer(js, DIGESTS, at="", by="ana")
        assert pointer.revision == number
    await js.purge_stream(CONFIG.stream)
    # when something is applied
    pointer = await move_pointer(js, DIGESTS, at="", by="ana")
    # then it is newer than everything before
    assert pointer.revision > 3


async def test_an_answer_that_is_none_hides_no_other_and_a_newer_one_is_read(declared: Bus) -> None:
    js = declared.js
    bucket = await js.key_value(CONFIG.name)
    await bucket.put("answers.prober.broken", b"{}")
    newer = b'{"service": "prober", "instance": "a", "revision": 1, "taken": true, "of_a_later_version": 1}'
    await bucket.put("answers.prober.a", newer)
    assert await read_answers(js) == [Answer("prober", "a", 1, taken=True)]


class Replica:
    """A follower and what it has taken."""

    def __init__(self, declared: Bus) -> None:
        self.taken: list[tuple[int, bytes]] = []
        self.follower = Follower(declared.js, "prober", "a", self._take)

    async def _take(self, pointer: Pointer, data: bytes) -> None:
        self.taken.append((pointer.revision, data))


async def test_after_a_loss_of_the_bus_a_revision_is_numbered_above_what_replicas_work_by(declared: Bus) -> None:
    js, replica = declared.js, Replica(declared)
    await store_slice(js, "prober", "d", b"{}")
    # given a replica that works by revision 7, and a bucket that is made anew
    bucket = await js.key_value(CONFIG.name)
    await bucket.put(POINTER, Pointer(7, DIGESTS).to_json())
    await replica.follower.look()
    await js.delete_key_value(CONFIG.name)
    await declare_all(js)
    await replica.follower.look()
    # when something is applied
    pointer = await move_pointer(js, DIGESTS, at="", by="ana")
    await replica.follower.look()
    # then it is the eighth, and the replica says that it has taken it
    assert pointer.revision == 8
    assert await read_answers(js) == [Answer("prober", "a", 8, taken=True, works_by=8, digest="d")]


async def test_the_same_number_with_another_slice_is_another_revision(declared: Bus) -> None:
    js, replica = declared.js, Replica(declared)
    bucket = await js.key_value(CONFIG.name)
    for digest in ("d", "e", "e"):
        await store_slice(js, "prober", digest, digest.encode())
        await bucket.put(POINTER, Pointer(1, {"prober": digest}).to_json())
        await replica.follower.look()
    assert replica.taken == [(1, b"d"), (1, b"e")]
