"""A page that overtakes the configuration that names its person."""

from shared.contracts.streams import NOTIFIER_PAGES
from tests.component.notifier.rig import Rig, notifier, request, slice_for, until_async
from tests.fakes.sinks import Sinks


async def test_a_page_for_somebody_new_waits_for_the_configuration_that_names_them(rig: Rig, sinks: Sinks) -> None:
    # given a notifier whose configuration knows nobody but joao, and a page by the next one, for pat
    everybody = slice_for(sinks, rig.public_url)
    joao = {name: person for name, person in everybody.people.items() if name == "joao"}
    await rig.apply(everybody.model_copy(update={"people": joao}))
    page = request("pat", revision=2)
    async with notifier(rig):
        await rig.publish(page)

        async def waits() -> bool:
            info = await rig.js.consumer_info(NOTIFIER_PAGES.stream, NOTIFIER_PAGES.durable)
            return bool(info.num_redelivered)

        await until_async(waits, "the page is sent back")
        # when that configuration comes
        await rig.apply(everybody)
        [mail] = await sinks.at_least(1)
        # then pat has the page, and its receipts name the revision
        assert (mail.to, mail.page) == ("pat@example.org", page.page)
        await rig.until(lambda: rig.states(page.page) == ["queued", "sending", "accepted"], "accepted")
        assert {one.revision for one in rig.receipts} == {2}
