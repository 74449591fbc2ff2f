"""After an outage of ours, pages go out in their order and not all at once."""

from services.notifier.handlers import request_page
from shared.contracts.pages import PageState
from tests.unit.notifier.office import Office, request


async def test_a_page_that_waited_out_our_own_outage_rings_one_method_not_all() -> None:
    office, page = Office(), request()
    await request_page(office.desk, page)
    await office.pass_by(300)
    assert await office.states(page.page) == {"sms": PageState.ACCEPTED}
