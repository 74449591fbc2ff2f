"""One bad entry in the bucket of members must not hide the others."""

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
