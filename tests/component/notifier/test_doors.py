"""The public HTTP edges: links, callbacks, the ledger for readers; and the configuration as it comes in."""

import httpx
import pytest

from services.notifier.adapters.channels.sms import signature
from shared.kit.revisions import read_answers
from shared.kit.tokens import Role
from tests.component.notifier.rig import SECRETS, Rig, cancel, notifier, request, slice_for, until_async, web
from tests.fakes.sinks import Sinks


async def test_an_sms_is_reported_delivered_by_a_signed_callback(rig: Rig, sinks: Sinks) -> None:
    await rig.apply(slice_for(sinks, rig.public_url))
    async with notifier(rig):
        page = request("joao")
        await rig.publish(page)
        await rig.until(lambda: rig.states(page.page)[-1:] == ["delivered"], "delivered")
        assert rig.states(page.page) == ["queued", "sending", "accepted", "delivered"]


async def test_an_undelivered_sms_goes_on_by_mail(rig: Rig, sinks: Sinks) -> None:
    sinks.behave("twilio", "lie", times=1, code=30003)
    await rig.apply(slice_for(sinks, rig.public_url))
    async with notifier(rig):
        page = request("joao")
        await rig.publish(page)
        await rig.until(lambda: "accepted" in rig.states(page.page, channel="email"), "the mail is out")
        assert rig.states(page.page, channel="sms")[-1] == "failed_permanent"


async def test_a_callback_that_is_not_signed_is_not_believed(rig: Rig, sinks: Sinks) -> None:
    await rig.apply(slice_for(sinks, rig.public_url))
    async with notifier(rig), web() as browser:
        sinks.behave("twilio", "lie", code=0)  # accepts, and reports nothing
        page = request("joao")
        await rig.publish(page)
        await rig.until(lambda: "accepted" in rig.states(page.page), "accepted")
        delivery = next(one.delivery for one in rig.receipts if one.page == page.page and one.delivery)
        url = f"{rig.public_url}/callbacks/twilio/{delivery}"
        form = {"MessageSid": "SM1", "MessageStatus": "delivered"}
        for signed in (b"x", b"\xe9"):  # also with what no signature can be made of
            forged = await browser.post(url, data=form, headers={b"X-Twilio-Signature": signed})
            assert forged.status_code == 403
        right = signature(url, form, SECRETS["TEST_TWILIO_TOKEN"])
        assert (await browser.post(url, data=form, headers={"X-Twilio-Signature": right})).status_code == 204
        await rig.until(lambda: rig.states(page.page)[-1] == "delivered", "delivered")


async def test_only_a_post_acknowledges_and_a_second_person_sees_who_has_it(rig: Rig, sinks: Sinks) -> None:
    await rig.apply(slice_for(sinks, rig.public_url))
    async with notifier(rig), web() as browser:
        first, second = request("ana"), request("pat", rung=1)
        await rig.publish(first)
        await rig.publish(second)
        await sinks.at_least(2)
        links = {mail.person: mail.ack_url or "" for mail in sinks.received()}
        for method in ("GET", "HEAD"):
            shown = await browser.request(method, links["ana"])
            assert (shown.status_code, shown.headers["hypercare-page"]) == (200, "open")
        assert "acknowledged" not in rig.states(first.page)
        assert (await browser.post(links["ana"])).status_code == 200
        await rig.until(lambda: rig.states(first.page)[-1] == "acknowledged", "acknowledged")
        late = await browser.post(links["pat"])
        assert (late.status_code, "Ana Sommer has it." in late.text) == (200, True)
        shown = await browser.get(links["ana"])
        assert "You have it." in shown.text
        assert shown.headers["hypercare-page"] == "acknowledged"
        assert "default-src 'self'" in shown.headers["content-security-policy"]
        assert (await browser.get(f"{rig.public_url}/a/ack.css")).headers["content-type"].startswith("text/css")


async def test_a_forged_link_is_nowhere(rig: Rig, sinks: Sinks) -> None:
    await rig.apply(slice_for(sinks, rig.public_url))
    async with notifier(rig), web() as browser:
        for answer in (
            await browser.get(f"{rig.public_url}/a/{'x' * 48}"),
            await browser.post(f"{rig.public_url}/a/x"),
        ):
            assert (answer.status_code, "leads nowhere" in answer.text) == (404, True)
        assert "Hypercare" in (await browser.get(rig.public_url)).text


async def test_what_a_page_says_is_shown_as_text(rig: Rig, sinks: Sinks) -> None:
    await rig.apply(slice_for(sinks, rig.public_url))
    async with notifier(rig), web() as browser:
        await rig.publish(request("ana", title="<script>alert(1)</script>"))
        [mail] = await sinks.at_least(1)
        shown = await browser.get(mail.ack_url or "")
        assert "<script>" not in shown.text
        assert "&lt;script&gt;alert(1)" in shown.text


async def test_the_ledger_is_read_with_a_token(rig: Rig, sinks: Sinks) -> None:
    await rig.apply(slice_for(sinks, rig.public_url))
    async with notifier(rig), web() as browser:
        page = request("pat")
        await rig.publish(page)
        await rig.until(lambda: "accepted" in rig.states(page.page), "accepted")
        api = f"{rig.public_url}/api/v1/pages"
        assert (await browser.get(api)).status_code == 401
        bearer = {"Authorization": f"Bearer {await rig.token(Role.VIEWER)}"}
        for incident in (page.incident, page.incident_name):
            [line] = (await browser.get(api, params={"incident": incident}, headers=bearer)).json()
            assert (line["page"], line["state"], line["addressee"]) == (page.page, "accepted", "pat")
        whole = (await browser.get(f"{api}/{page.page}", headers=bearer)).json()
        [delivery] = whole["deliveries"]
        assert (delivery["channel"], delivery["to"], delivery["state"]) == ("email", "pat@example.org", "accepted")
        [attempt] = delivery["attempts"]
        assert (attempt["attempt"], attempt["outcome"], attempt["replica"]) == (1, "Accepted", "n1")
        missing = await browser.get(f"{api}/nothing", headers=bearer)
        assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")


async def test_a_cancel_before_its_request_stops_it(rig: Rig, sinks: Sinks) -> None:
    await rig.apply(slice_for(sinks, rig.public_url))
    await rig.publish(cancel("gone", ack_epoch=1))
    async with notifier(rig):
        page = request("pat", incident="gone", ack_epoch=1)
        await rig.publish(page)
        await rig.until(lambda: rig.states(page.page) == ["queued", "cancelled"], "cancelled")
        assert sinks.received() == []


async def test_a_missing_secret_is_refused_at_apply_and_the_last_good_one_stays(
    rig: Rig, sinks: Sinks, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.apply(slice_for(sinks, rig.public_url))
    async with notifier(rig):
        page = request("pat")
        await rig.publish(page)
        await sinks.at_least(1)
        monkeypatch.delenv("TEST_TWILIO_TOKEN")
        await rig.apply(slice_for(sinks, rig.public_url))

        async def is_refused() -> bool:
            answers = [one for one in await read_answers(rig.js) if one.revision == 2]
            return [(one.taken, "TEST_TWILIO_TOKEN" in one.because) for one in answers] == [(False, True)]

        await until_async(is_refused, "revision 2 is refused")
        await rig.publish(request("pat", rung=1))
        await sinks.at_least(2)


async def test_a_person_the_configuration_has_lost_is_said_at_once(rig: Rig, sinks: Sinks) -> None:
    await rig.apply(slice_for(sinks, rig.public_url))
    async with notifier(rig):
        page = request("nobody")
        await rig.publish(page)
        await rig.until(lambda: rig.states(page.page) == ["dead"], "dead")
        [dead] = [one for one in rig.receipts if one.page == page.page]
        assert dead.undeliverable
        assert dead.reason == "nobody is not among the people of the configuration any more"


async def test_without_a_configuration_it_lives_waits_and_then_works(rig: Rig, sinks: Sinks) -> None:
    async with notifier(rig, ops_port=(port := rig.ports.choose("ops"))), web() as browser:
        page = request("pat")
        await rig.publish(page)
        assert (await _ok(browser, port, "livez"), await _ok(browser, port, "readyz")) == (True, False)
        await rig.apply(slice_for(sinks, rig.public_url))
        await sinks.at_least(1)
        await until_async(lambda: _ok(browser, port, "readyz"), "ready")


async def test_a_provider_that_refuses_us_is_told_and_the_acknowledge_links_stay(rig: Rig, sinks: Sinks) -> None:
    sinks.behave("slack", "reject")
    await rig.apply(slice_for(sinks, rig.public_url))
    async with notifier(rig, ops_port=(port := rig.ports.choose("ops"))), web() as browser:
        await rig.publish(request("kim"))

        async def told() -> bool:
            said: dict[str, str] = (await browser.get(f"http://127.0.0.1:{port}/readyz")).json()["problems"]
            return said == {"channel:chat-slack-0": "HTTP 404: no_service"}

        await until_async(told, "the refusal is told")
        assert await _ok(browser, port, "readyz")
        assert (
            'hypercare_problem{problem="channel:chat-slack-0"} 1.0'
            in (await browser.get(f"http://127.0.0.1:{port}/metrics")).text
        )
        await rig.publish(page := request("pat", rung=1))
        [mail] = [one for one in await sinks.at_least(1) if one.person == "pat"]
        assert (await browser.post(mail.ack_url or "")).status_code == 200
        await rig.until(lambda: "acknowledged" in rig.states(page.page), "acknowledged")


async def _ok(browser: httpx.AsyncClient, port: int, name: str) -> bool:
    return (await browser.get(f"http://127.0.0.1:{port}/{name}")).status_code == 200
