"""The page in a real browser: it changes by itself, loses nothing typed, and works without a script."""

import pytest

from services.console.adapters.incidents_api import PATHS
from shared import contracts as c
from shared.contracts.streams import TOKENS
from shared.kit.tokens import hash_of
from shared.values import Outcome
from tests.component.console.browser import Browser, Tab
from tests.component.console.world import INCIDENT, MAIN, MANAGER, RESPONDER, VIEWER, Console, World, console

pytestmark = [pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]

LIVE = "document.querySelector('#live')?.dataset.state === 'live'"
NOTE = f"document.getElementById('note.{INCIDENT}')"
PHONE = (360, 780)


async def entered(browser: Browser, url: str, token: str = RESPONDER, *, script: bool = True) -> Tab:
    """Follow the link that the command line prints."""
    tab = await browser.open(f"{url}/#token={token}", *PHONE, script=script)
    await tab.until(LIVE)
    return tab


async def an_incident(there: World) -> None:
    await there.say(
        there.opened(there.clock.now()),
        there.incident(c.IncidentOpened, 1, c.Stage.ALERT),
        there.receipt("ana", c.PageState.ACCEPTED),
    )


async def test_a_link_with_a_token_logs_in_and_leaves_no_trace_of_it(shown: Console, browser: Browser) -> None:
    tab = await entered(browser, shown.url)
    assert await tab.value("location.href") == f"{shown.url}/"
    history = await tab.call("Page.getNavigationHistory")
    assert [entry["url"] for entry in history["entries"] if "token" in entry["url"]] == []
    assert await tab.value("document.cookie") == ""


async def test_a_wrong_token_is_said(shown: Console, browser: Browser) -> None:
    tab = await browser.open(f"{shown.url}/#token=hc_wrong", *PHONE)
    await tab.until("document.querySelector('#said')?.textContent === 'This token is not known.'")


async def test_results_incidents_and_receipts_appear_by_themselves(
    there: World, shown: Console, browser: Browser
) -> None:
    tab = await entered(browser, shown.url)
    await there.sample("web-health", Outcome.FAILED, 0.02, reason="answered 500, expected 200")
    row = f"document.getElementById('check.web-health.{MAIN}')"
    await tab.until(f"{row}.classList.contains('failed') && {row}.innerText.includes('answered 500')")
    await an_incident(there)
    await tab.until("document.querySelector('#headline').innerText.includes('1 incident open, not acknowledged')")
    await tab.until("document.title.startsWith('1 incident open')")
    await tab.until("document.querySelector('.page .word').innerText === 'accepted by the provider'")
    await there.say(there.receipt("ana", c.PageState.SEEN))
    await tab.until("document.querySelector('.page .word').innerText === 'seen'")


async def test_clocks_run_between_events(there: World, shown: Console, browser: Browser) -> None:
    await an_incident(there)
    tab = await entered(browser, shown.url)
    before = await tab.value("document.querySelector('.clock .time').innerText")
    await tab.until(f"document.querySelector('.clock .time').innerText !== {before!r}")


async def test_acknowledging_is_one_press_and_says_done(there: World, shown: Console, browser: Browser) -> None:
    await an_incident(there)
    tab = await entered(browser, shown.url)
    await tab.value("document.querySelector('.actions button.primary').click()")
    await tab.until("document.querySelector('.actions .said').innerText === 'Done.'")
    assert there.incidents.asked == [(f"/api/v1/incidents/{INCIDENT}/{PATHS['acknowledge']}", RESPONDER, {})]
    await there.say(there.incident(c.IncidentAcknowledged, 2, c.Stage.ASSESSMENT, acknowledged_by="ana"))
    await tab.until("document.querySelector('.badges').innerText.includes('acknowledged by Ana Sommer')")
    await tab.until("!document.querySelector('.actions button.primary')")


async def test_a_manager_sees_the_actions_of_the_new_stage_and_may_override_a_gate(
    there: World, shown: Console, browser: Browser
) -> None:
    await an_incident(there)
    tab = await entered(browser, shown.url, MANAGER)
    await there.say(there.incident(c.IncidentAcknowledged, 2, c.Stage.ASSESSMENT, acknowledged_by="mira"))
    await tab.until("document.querySelector('.actions .move button').textContent === 'Advance to Response'")
    assert await tab.value("document.querySelector('.actions button.primary')") is None
    await tab.value("document.querySelector('[name=override]').checked = true")
    await tab.value("document.querySelector('.actions .move button').click()")
    await tab.until("document.querySelector('.actions .said').innerText === 'Done.'")
    assert there.incidents.asked[-1][1:] == (MANAGER, {"reason": "", "override": True})


async def test_a_refused_action_is_readable_in_place(there: World, shown: Console, browser: Browser) -> None:
    await an_incident(there)
    there.incidents.refuses = "the gate is not met: System operational?"
    tab = await entered(browser, shown.url)
    await tab.value("document.querySelector('.actions .move button').click()")
    await tab.until("document.querySelector('.actions .said.bad').innerText.startsWith('the gate is not met')")


async def test_a_note_being_typed_survives_every_update(there: World, shown: Console, browser: Browser) -> None:
    await an_incident(there)
    tab = await entered(browser, shown.url)
    await tab.value(f"document.getElementById('more.{INCIDENT}').open = true; {NOTE}.focus()")
    await tab.call("Input.insertText", text="looking at the ")
    await there.say(there.incident(c.StageEntered, 2, c.Stage.RESPONSE, previous="alert", reason="assessed"))
    await tab.until("document.querySelector('.stage-now').innerText === 'Response'")
    await tab.call("Input.insertText", text="database")
    assert await tab.value(f"{NOTE}.value") == "looking at the database"
    # once it is sent, what was held back takes its place
    await tab.value(f"{NOTE}.form.requestSubmit()")
    await tab.until("document.querySelector('.actions .said').innerText === 'Done.'")
    await tab.until(f"{NOTE}.value === ''")
    assert there.incidents.asked[-1][2] == {"text": "looking at the database"}


async def test_a_timeline_opens_in_place_and_stays_open(there: World, shown: Console, browser: Browser) -> None:
    await an_incident(there)
    tab = await entered(browser, shown.url)
    await tab.value(f"document.getElementById('timeline.{INCIDENT}').open = true")
    await tab.until("document.querySelectorAll('.entries li').length === 4")
    assert await tab.value("document.querySelectorAll('.entries b').length") == 0  # escaped
    asked = len(there.incidents.asked)
    await there.say(there.incident(c.IncidentUpdated, 2, c.Stage.ALERT, what="note"))
    await tab.until(f"document.getElementById('timeline.{INCIDENT}').open")
    # the whole list is drawn anew when another incident joins, and what was open is open still
    await there.say(there.incident(c.IncidentOpened, 1, c.Stage.ALERT, incident="another", name="another"))
    await tab.until("document.querySelectorAll('.incident').length === 2")
    assert await tab.value("document.querySelectorAll('.entries li').length") == 4
    assert len(there.incidents.asked) > asked


async def test_on_its_own_page_the_watch_of_an_incident_counts_down(
    there: World, shown: Console, browser: Browser
) -> None:
    await an_incident(there)
    there.incidents.stage = "resolution"
    tab = await entered(browser, shown.url)
    await tab.value(f"location.assign('/incidents/{INCIDENT}')")
    await tab.until("document.querySelector('.watch')?.innerText.startsWith('Watched well for 10 min 5 s of 30 min')")
    first = await tab.value("document.querySelector('.watch .time').innerText")
    await tab.until(f"document.querySelector('.watch .time').innerText !== {first!r}")
    # the page follows when the watch is over
    there.incidents.stage = "post_mortem"
    await there.say(there.incident(c.StageEntered, 2, c.Stage.POST_MORTEM, previous="resolution", reason="watched"))
    await tab.until("document.querySelector('.watch') === null")
    assert await tab.value("document.querySelectorAll('.entries li').length") == 4


async def test_a_bus_that_is_away_is_said_and_comes_back(there: World, shown: Console, browser: Browser) -> None:
    tab = await entered(browser, shown.url)
    there.server.kill()
    await tab.until("/the bus is away, no news for \\d+ s/.test(document.querySelector('#live').innerText)")
    await tab.until("document.querySelector('#headline').innerText.includes('the bus is away')")
    there.server.start()
    await tab.until(LIVE)


async def test_a_revoked_token_leads_to_the_login(there: World, browser: Browser) -> None:
    await there.apply()
    async with console(there, recheck_s=1) as shown:
        tab = await entered(browser, shown.url)
        bucket = await there.js.key_value(TOKENS.name)
        await bucket.delete(hash_of(RESPONDER))
        await tab.until("location.pathname === '/login'")


async def test_nothing_scrolls_sideways_on_a_phone(there: World, shown: Console, browser: Browser) -> None:
    await an_incident(there)
    long = "x" * 300
    await there.sample("web-health", Outcome.FAILED, 0.02, reason=f"answered {long}")
    for width in (320, 360, 768, 1280):
        tab = await browser.open(f"{shown.url}/#token={RESPONDER}", width, 780)
        await tab.until(f"{LIVE} && document.querySelector('.incident')")
        assert await tab.value("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), width
        await tab.close()


async def test_an_update_moves_nothing_below_it(there: World, shown: Console, browser: Browser) -> None:
    tab = await entered(browser, shown.url)
    await tab.until(f"document.getElementById('check.web-health.{MAIN}')")
    await there.sample("web-health")
    await tab.until(f"document.getElementById('check.web-health.{MAIN}').innerText.includes('184 ms')")
    top = "document.getElementById('service.erp-jobs').getBoundingClientRect().top + scrollY"
    before = await tab.value(top)
    await there.sample("web-health", took_s=1.5)
    await tab.until(f"document.getElementById('check.web-health.{MAIN}').innerText.includes('1.50 s')")
    assert await tab.value(top) == before


async def test_without_a_script_the_page_is_whole(there: World, shown: Console, browser: Browser) -> None:
    await an_incident(there)
    tab = await browser.open(f"{shown.url}/login", *PHONE, script=False)
    await tab.call("Input.insertText", text=VIEWER)  # the field has the focus
    await tab.call("Input.dispatchKeyEvent", type="keyDown", key="Enter", code="Enter", text="\r")
    await tab.until("document.body.innerText.includes('1 incident open, not acknowledged')")
    assert await tab.value("document.querySelector('noscript meta[http-equiv=refresh]') !== null")
