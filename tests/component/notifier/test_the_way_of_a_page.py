"""From a request on the bus to a mail in a mailbox, an acknowledgement and silence."""

from tests.component.notifier.rig import Rig, notifier, request, slice_for, web
from tests.fakes.sinks import Sinks


async def test_a_page_arrives_is_acknowledged_by_its_link_and_stops_the_next_one(rig: Rig, sinks: Sinks) -> None:
    # given a notifier with a configuration
    await rig.apply(slice_for(sinks, rig.public_url))
    async with notifier(rig), web() as browser:
        # when a page is requested
        first = request("ana")
        await rig.publish(first)
        [mail] = await sinks.at_least(1)
        # then the mail says what it is for
        assert (mail.to, mail.page, mail.kind, mail.person, mail.rung) == (
            "ana@example.org",
            first.page,
            "page",
            "ana",
            "0",
        )
        await rig.until(lambda: rig.states(first.page) == ["queued", "sending", "accepted"], "accepted")
        # and a look at its link changes nothing
        assert mail.ack_url is not None
        seen = await browser.get(mail.ack_url)
        assert (seen.status_code, "Acknowledge</button>" in seen.text) == (200, True)
        # when the link is pressed
        pressed = await browser.post(mail.ack_url)
        assert (pressed.status_code, "You have it." in pressed.text) == (200, True)
        await rig.until(lambda: rig.states(first.page)[-1] == "acknowledged", "acknowledged")
        # then the next rung's page is never sent
        second = request("joao", rung=1)
        await rig.publish(second)
        await rig.until(lambda: rig.states(second.page) == ["queued", "cancelled"], "cancelled")
        assert len(sinks.received()) == 1


async def test_a_stop_in_the_middle_of_many_pages_loses_none_and_leaves_no_unknown(rig: Rig, sinks: Sinks) -> None:
    # given forty pages and a notifier that is stopped while it sends them
    await rig.apply(slice_for(sinks, rig.public_url))
    pages = [request("pat", incident=f"i{number}") for number in range(40)]
    async with notifier(rig):
        for page in pages:
            await rig.publish(page)
        await sinks.at_least(5)
    # when another one is started
    async with notifier(rig):
        await rig.until(lambda: all("accepted" in rig.states(page.page) for page in pages), "all accepted", 30)
    # then each mail is there once
    assert sorted(mail.page or "" for mail in sinks.received()) == sorted(page.page for page in pages)
    assert not [one for one in rig.receipts if one.state == "unknown"]
