"""Many pages at once, and one slow provider that holds nobody else up."""

import asyncio
from collections import Counter

from services.notifier.domain.plan import PATIENCE
from shared.contracts.pages import Addressee
from tests.component.notifier.rig import Rig, notifier, request, slice_for
from tests.fakes.sinks import Sinks


async def test_a_hundred_pages_arrive_once_each_while_another_channel_hangs(rig: Rig, sinks: Sinks) -> None:
    # given a chat that answers late and a mail server that is well
    sinks.behave("slack", "delay", delay_s=3)
    await rig.apply(slice_for(sinks, rig.public_url))
    async with notifier(rig):
        began = asyncio.get_running_loop().time()
        for number in range(20):
            await rig.publish(request(addressee=Addressee(channel="chat", target="#erp"), incident=f"c{number}"))
        # when a hundred pages are asked for
        pages = [request("pat", incident=f"i{number}") for number in range(100)]
        await asyncio.gather(*(rig.publish(page) for page in pages))
        # then the mails arrive as if there were no chat
        await rig.until(
            lambda: len({one.page for one in sinks.received() if one.channel == "email"}) == 100, "all mails", 30
        )
        took_s = asyncio.get_running_loop().time() - began
        mails = Counter(one.page for one in sinks.received() if one.channel == "email")
        assert set(mails.values()) == {1}
        assert took_s < PATIENCE.total_seconds()
        await rig.until(lambda: all("accepted" in rig.states(page.page) for page in pages), "all receipts", 30)
