"""The pointer to the current revision, and the answers to it, on a real bus."""

from shared.contracts.streams import CONFIG
from shared.kit.revisions import Answer, move_pointer, read_answers
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
