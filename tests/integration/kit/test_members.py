"""What one service writes into the bucket of members must not hide the others."""

import asyncio

from shared.contracts.streams import MEMBERS
from shared.kit.partitions import Beat, Membership, read_members
from tests.integration.kit.conftest import Bus


async def test_what_is_no_heartbeat_and_who_was_deleted_hide_nobody(declared: Bus) -> None:
    membership = Membership(declared.client, declared.publisher, Beat("prober", "one", "nonce", 0))
    bucket = await declared.js.key_value("members")
    for name, value in (("a", b"{}"), ("b", b"not json"), ("c", b'{"service": 1, "instance": [], "nonce": null}')):
        await bucket.put(f"prober.{name}", value)
    await bucket.put("prober.d", b"{}")
    await bucket.delete("prober.d")
    await membership.beat()
    await membership.look()
    assert membership.alive == ("one",)
    assert [beat.instance for beat in await read_members(declared.client)] == ["one"]


async def test_a_flood_of_entries_hides_nobody_for_long_and_fills_no_disk(declared: Bus) -> None:
    # given a login of a prober in the wrong hands, writing ever more members
    membership = Membership(declared.client, declared.publisher, Beat("evaluator", "one", "nonce", 0))
    flood = [declared.publisher.publish_raw(f"$KV.members.prober.x{number}", b"x" * 4000, {}) for number in range(400)]
    await asyncio.gather(*flood)
    # when a member beats on, then it is seen, and the bucket is as large as it may be
    await membership.beat()
    await membership.look()
    assert membership.alive == ("one",)
    assert (await declared.js.stream_info(MEMBERS.stream)).state.bytes <= MEMBERS.max_bytes
