"""Killed where it hurts: no page lost, and doubled only where the ledger says unknown."""

import asyncio
import random
import sys
from collections import Counter
from pathlib import Path

from shared.kit.settings import environment
from tests.component.notifier.rig import LINK_KEY, Rig, request, slice_for
from tests.component.notifier.rig import notifier as replica
from tests.fakes.keys import TOKEN_KEY
from tests.fakes.sinks import Sinks

POINTS = (
    "commit.before", "commit.after", "publish.before", "publish.after", "ack.before", "ack.after",
    "send.before", "send.during", "send.after",
)  # fmt: skip


class Process:
    """A notifier in a process of its own, always the same replica."""

    def __init__(self, rig: Rig, folder: Path) -> None:
        self.rig, self.folder = rig, folder
        self.crash_file = folder / "crash"
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, crash: str | None = None, **more: str) -> None:
        self.crash_file.unlink(missing_ok=True)
        if crash:
            self.crash_file.write_text(crash)
        told = {
            "HYPERCARE_INSTANCE": "n1",
            "HYPERCARE_NATS_URL": self.rig.nats_url,
            "HYPERCARE_DATABASE_URL": self.rig.dsn,
            "HYPERCARE_LINK_KEY": LINK_KEY,
            "HYPERCARE_TOKEN_KEY": TOKEN_KEY,
            "HYPERCARE_HTTP_PORT": str(self.rig.public_port),
            "HYPERCARE_CLAIM_S": "30",
            "HYPERCARE_CRASH_FILE": str(self.crash_file),
        }
        with (self.folder / "notifier.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services.notifier", env={**environment(), **told, **more}, stdout=log, stderr=log
            )

    async def ended(self, within_s: float) -> bool:
        assert self.process is not None
        try:
            async with asyncio.timeout(within_s):
                await self.process.wait()
        except TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            if not await self.ended(12):
                self.process.kill()
                await self.process.wait()

    def log(self) -> str:
        return (self.folder / "notifier.log").read_text(errors="replace")[-4000:]


async def test_killed_at_every_point_no_page_is_lost_and_doubles_are_said(
    rig: Rig, sinks: Sinks, tmp_path: Path
) -> None:
    await rig.apply(slice_for(sinks, rig.public_url))
    chance = random.Random(4)  # noqa: S311  # a seeded test
    notifier, pages = Process(rig, tmp_path), []
    try:
        for number, point in enumerate(POINTS):
            # given a notifier armed to die at the n-th arrival at this point
            await notifier.start(f"{point} {chance.randint(2, 4)}")
            # when pages come until it does
            for rung in range(100):
                page = request(("pat", "joao")[rung % 2], incident=f"i{number}", rung=rung)
                await rig.publish(page)
                pages.append(page)
                if await notifier.ended(0.3 if rung else 3):
                    break
            assert notifier.process is not None
            assert notifier.process.returncode == -9, f"{point} was never reached: {notifier.log()}"
        # then one that lives brings every page to an end
        await notifier.start()
        for page in pages:
            await rig.until(
                lambda page=page: bool({"accepted", "delivered"} & set(rig.states(page.page))),  # type: ignore[misc]  # bound now
                f"page {page.page} of {page.incident} is accepted",
                30,
            )
    finally:
        await notifier.stop()
    arrived = Counter((one.to, one.page or one.text, one.channel) for one in sinks.received())
    mails = Counter(one.page for one in sinks.received() if one.channel == "email" and one.person == "pat")
    for page in pages:
        if page.addressee.person == "pat":
            assert mails[page.page] >= 1, f"lost: {page.incident} {rig.states(page.page)}"
            if mails[page.page] > 1:
                assert "unknown" in rig.states(page.page), f"doubled and not said: {rig.states(page.page)}"
    # Twilio is asked before a text is sent again: not even unknown ones are doubled
    texts = {key: count for key, count in arrived.items() if key[2] == "sms"}
    assert len(texts) == sum(page.addressee.person == "joao" for page in pages)
    assert set(texts.values()) == {1}


async def test_another_replica_takes_up_what_a_dead_one_was_sending(rig: Rig, sinks: Sinks, tmp_path: Path) -> None:
    await rig.apply(slice_for(sinks, rig.public_url))
    dying, page = Process(rig, tmp_path), request("pat")
    try:
        await dying.start("send.after 1", HYPERCARE_CLAIM_S="3", HYPERCARE_SEND_DEADLINE_S="1.4")
        await rig.publish(page)
        assert await dying.ended(20), dying.log()
        assert len(sinks.received()) == 1
        # the claim is short here, so that the test need not wait for half a minute
        async with replica(rig, "n2"):
            await rig.until(lambda: "unknown" in rig.states(page.page), "the claim lapsed", 40)
            await rig.until(lambda: "accepted" in rig.states(page.page), "sent again")
    finally:
        await dying.stop()
    first, again = sinks.received()
    assert first.message_id == again.message_id
    assert again.duplicate_of == first.n
