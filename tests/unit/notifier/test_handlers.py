"""What becomes of pages, in memory and on a fake clock."""

from services.notifier.adapters.memory import MemoryLedger
from services.notifier.domain.outcomes import Delivered, PermanentFailure, SendResult, TransientFailure, Unknown
from services.notifier.domain.page import Stop
from services.notifier.domain.wording import Outgoing
from services.notifier.handlers import (
    Link,
    LinkRefused,
    acknowledge,
    cancel_pages,
    read_link,
    request_page,
    take_report,
)
from shared.contracts.pages import Addressee, PageCancelled, PageKind, PageState
from shared.values import IncidentId
from tests.unit.notifier.office import NOW, Office, ToldChannel, request


def cancelled(incident: str = "inc", epoch: int = 0) -> PageCancelled:
    return PageCancelled(
        event_id=f"{incident}.{epoch}",
        occurred_at=NOW,
        incident=IncidentId(incident),
        ack_epoch=epoch,
        reason="cleared",
    )


def told(office: Office) -> list[tuple[str, str | None, int]]:
    assert isinstance(office.ledger, MemoryLedger)
    return [(one.state.value, one.channel, one.attempt) for one in office.ledger.told]


async def test_every_state_change_has_its_receipt() -> None:
    office, page = Office(), request()
    await request_page(office.desk, page)
    await office.run()
    [message] = office.sent("sms")
    await take_report(office.desk, "sms", message.delivery, "id-1", Delivered("id-1"))
    assert told(office) == [
        ("queued", "sms", 0),
        ("sending", "sms", 1),
        ("accepted", "sms", 1),
        ("delivered", "sms", 1),
    ]


async def test_the_same_request_again_changes_nothing() -> None:
    office, page = Office(), request()
    for issue in range(3):
        await request_page(office.desk, page.model_copy(update={"issue": issue}))
        await office.run()
    assert len(office.sent("sms")) == 1


async def test_a_request_that_is_asked_again_gets_its_receipts_again_under_new_names() -> None:
    office, page = Office(), request()
    await request_page(office.desk, page)
    await office.run()
    assert isinstance(office.ledger, MemoryLedger)
    first = office.ledger.told.copy()

    await request_page(office.desk, page.model_copy(update={"issue": 1}))
    await request_page(office.desk, page.model_copy(update={"issue": 1}))

    again = office.ledger.told[len(first) :]
    assert [(one.state.value, one.channel, one.occurred_at) for one in again] == 2 * [
        ("accepted", "sms", first[-1].occurred_at)
    ]
    assert len({one.event_id for one in again}) == 1
    assert {one.event_id for one in again}.isdisjoint(one.event_id for one in first)


async def test_a_refused_number_moves_on_to_the_next_method_at_once() -> None:
    office, page = Office(), request()
    office.told["sms"][0].script = [PermanentFailure("no such number", "recipient")]
    await request_page(office.desk, page)
    await office.run()
    assert await office.states(page.page) == {"sms": PageState.FAILED_PERMANENT, "email": PageState.ACCEPTED}


async def test_a_busy_provider_is_retried_while_the_next_method_already_rings() -> None:
    office, page = Office(), request()
    office.told["sms"][0].script = [TransientFailure("busy")]
    await request_page(office.desk, page)
    await office.run()
    assert await office.states(page.page) == {"sms": PageState.FAILED_TRANSIENT, "email": PageState.ACCEPTED}
    await office.pass_by(1)
    assert await office.states(page.page) == {"sms": PageState.ACCEPTED, "email": PageState.ACCEPTED}


async def test_an_sms_without_a_report_moves_on_after_thirty_seconds() -> None:
    office, page = Office(), request()
    await request_page(office.desk, page)
    await office.run()
    await office.pass_by(29)
    assert not office.sent("email")
    await office.pass_by(1)
    assert len(office.sent("email")) == 1


async def test_a_report_in_time_keeps_the_next_method_quiet() -> None:
    office, page = Office(), request()
    await request_page(office.desk, page)
    await office.run()
    await take_report(office.desk, "sms", office.sent("sms")[0].delivery, "id-1", Delivered("id-1"))
    await office.pass_by(600)
    assert not office.sent("email")


async def test_a_report_on_a_message_of_another_channel_is_not_believed() -> None:
    office, page = Office(), request("joao")
    await request_page(office.desk, page)
    await office.run()
    mail = office.sent("email")[0].delivery
    await take_report(office.desk, "sms", mail, "id-1", Delivered("id-1"))
    assert await office.state(page.page) is PageState.ACCEPTED


async def test_undelivered_is_not_sent() -> None:
    office, page = Office(), request()
    await request_page(office.desk, page)
    await office.run()
    await take_report(
        office.desk, "sms", office.sent("sms")[0].delivery, "id-1", PermanentFailure("30003", "recipient")
    )
    await office.run()
    assert len(office.sent("email")) == 1


async def test_a_page_that_nobody_can_carry_is_said_to_be_undeliverable_once() -> None:
    office, page = Office(), request("joao")
    office.told["email"][0].script = [PermanentFailure("no such mailbox", "recipient")]
    await request_page(office.desk, page)
    await office.run()
    await office.pass_by(60)
    assert isinstance(office.ledger, MemoryLedger)
    [dead] = [one for one in office.ledger.told if one.undeliverable]
    assert (dead.state, dead.delivery, dead.reason) == (PageState.DEAD, None, "email: no such mailbox")
    assert await office.state(page.page) is PageState.DEAD


async def test_a_person_whom_the_configuration_has_lost_is_undeliverable_with_the_reason() -> None:
    office, page = Office(), request("gone")
    await request_page(office.desk, page)
    assert isinstance(office.ledger, MemoryLedger)
    [dead] = office.ledger.told
    assert (dead.state, dead.undeliverable, dead.reason) == (PageState.DEAD, True, "nobody knows gone")


async def test_a_page_declared_undeliverable_counts_when_it_arrives_late() -> None:
    office, page = Office(), request("joao")
    office.told["email"][0].script = [TransientFailure("busy")] * 6
    await request_page(office.desk, page)
    for _ in range(40):
        await office.pass_by(1)
    assert await office.state(page.page) is PageState.DEAD
    await office.pass_by(60)
    assert await office.state(page.page) is PageState.ACCEPTED


async def test_the_standby_carries_what_the_first_provider_does_not() -> None:
    first = ToldChannel("email-0", [PermanentFailure("535 bad credentials", "us")])
    second = ToldChannel("email-1")
    office, page = Office(email=(first, second)), request("joao")
    await request_page(office.desk, page)
    await office.run()
    assert (len(first.sent), len(second.sent)) == (1, 1)
    assert first.sent[0].delivery == second.sent[0].delivery
    assert await office.state(page.page) is PageState.ACCEPTED
    assert "535 bad credentials" in office.health.problems["channel:email-0"]


async def test_our_credentials_refused_are_told_until_they_work() -> None:
    office = Office()
    office.told["email"][0].script = [PermanentFailure("535 bad credentials", "us")]
    await request_page(office.desk, request("joao"))
    await office.run()
    assert office.health.problems == {"channel:email-0": "535 bad credentials"}
    await request_page(office.desk, request("joao", rung=1))
    await office.run()
    assert office.health.problems == {}


async def test_an_unknown_end_is_sent_again_under_the_same_name_and_says_so_to_the_channel() -> None:
    office, page = Office(), request("joao")
    office.told["email"][0].script = [Unknown("connection lost after the mail")]
    await request_page(office.desk, page)
    await office.run()
    assert await office.states(page.page) == {"email": PageState.UNKNOWN}
    await office.pass_by(1)
    first, again = office.sent("email")
    assert (first.delivery, first.may_have_been_sent) == (again.delivery, False)
    assert again.may_have_been_sent
    assert first.ack_url == again.ack_url


async def test_an_acknowledgement_stops_the_whole_epoch_and_older_ones_but_not_the_next() -> None:
    office = Office()
    old, mine, newer = request("joao", epoch=0), request("joao", epoch=1), request("joao", epoch=2)
    await request_page(office.desk, mine)
    await office.run()
    token = (office.sent("email")[0].ack_url or "").rpartition("/")[2]
    link = await acknowledge(office.desk, token)
    assert isinstance(link, Link)
    assert link.stop is not None
    assert link.stop.person == "joao"
    for page in (old, newer, request("ana", epoch=1)):
        await request_page(office.desk, page)
    await office.run()
    assert await office.state(old.page) is PageState.CANCELLED
    assert await office.state(newer.page) is PageState.ACCEPTED
    assert not office.sent("sms")


async def test_updates_are_not_stopped_by_an_acknowledgement() -> None:
    office = Office()
    await request_page(office.desk, request("joao"))
    await office.run()
    await acknowledge(office.desk, (office.sent("email")[0].ack_url or "").rpartition("/")[2])
    for kind in (PageKind.UPDATE, PageKind.RESOLVED):
        await request_page(office.desk, request("joao", kind=kind))
    await office.run()
    assert [one.kind for one in office.sent("email")] == ["page", "update", "resolved"]
    assert [one.ack_url is None for one in office.sent("email")] == [False, True, True]


async def test_a_second_person_sees_who_has_it_and_the_first_stays() -> None:
    office = Office()
    await request_page(office.desk, request("joao"))
    await request_page(office.desk, request("ana", rung=1))
    await office.run()
    joao, ana = office.sent("email")[0].ack_url or "", office.sent("sms")[0].ack_url or ""
    await acknowledge(office.desk, joao.rpartition("/")[2])
    second = await acknowledge(office.desk, ana.rpartition("/")[2])
    again = await acknowledge(office.desk, joao.rpartition("/")[2])
    assert isinstance(second, Link)
    assert isinstance(again, Link)
    assert [link.stop and link.stop.person for link in (second, again)] == ["joao", "joao"]
    assert [row for row in told(office) if row[0] in {"acknowledged", "seen"}] == [
        ("acknowledged", "email", 1),
        ("seen", "sms", 1),
    ]


async def test_looking_at_a_link_changes_nothing() -> None:
    office = Office()
    await request_page(office.desk, request("joao"))
    await office.run()
    before = told(office)
    link = await read_link(office.desk, (office.sent("email")[0].ack_url or "").rpartition("/")[2])
    assert isinstance(link, Link)
    assert (link.stop, told(office)) == (None, before)


async def test_a_forged_and_an_expired_link_do_nothing() -> None:
    office = Office()
    await request_page(office.desk, request("joao"))
    await office.run()
    token = (office.sent("email")[0].ack_url or "").rpartition("/")[2]
    assert await acknowledge(office.desk, "x" * 48) == LinkRefused("unknown")
    assert await acknowledge(office.desk, token[:-1]) == LinkRefused("unknown")
    await office.pass_by(72 * 3600 + 1)
    assert await acknowledge(office.desk, token) == LinkRefused("expired")
    assert not [row for row in told(office) if row[0] == "acknowledged"]


async def test_a_cancel_before_its_request_is_kept() -> None:
    office, page = Office(), request("joao")
    await cancel_pages(office.desk, cancelled())
    await request_page(office.desk, page)
    await office.run()
    assert not office.sent("email")
    assert told(office) == [("queued", "email", 0), ("cancelled", "email", 0)]


async def test_a_cancel_ends_retries_and_the_search() -> None:
    office, page = Office(), request()
    office.told["sms"][0].script = [TransientFailure("busy")]
    office.told["email"][0].script = [TransientFailure("busy")]
    await request_page(office.desk, page)
    await office.run()
    await cancel_pages(office.desk, cancelled())
    await office.pass_by(3600)
    assert (len(office.sent("sms")), len(office.sent("email"))) == (1, 1)
    assert await office.states(page.page) == {"sms": PageState.CANCELLED, "email": PageState.CANCELLED}


async def test_a_channel_that_is_only_told_is_used_directly() -> None:
    office = Office()
    page = request(addressee=Addressee(channel="chat", target="#erp"), kind=PageKind.UPDATE)
    await request_page(office.desk, page)
    await office.run()
    assert [one.address for one in office.sent("chat")] == ["#erp"]


async def test_a_channel_removed_while_a_page_waits_moves_on() -> None:
    office, page = Office(), request()
    await request_page(office.desk, page)
    office.directory.channels["sms"] = ()
    await office.run()
    assert await office.states(page.page) == {"sms": PageState.FAILED_PERMANENT, "email": PageState.ACCEPTED}


async def test_our_own_error_in_a_channel_is_unknown_and_red_and_the_page_goes_on() -> None:
    class Broken(ToldChannel):
        async def send(self, message: Outgoing) -> SendResult:
            raise ZeroDivisionError(message.page)

    office = Office(email=(Broken("email-0"),))
    page = request("joao")
    await request_page(office.desk, page)
    await office.run()
    assert await office.states(page.page) == {"email": PageState.UNKNOWN}
    assert office.health.problems == {"channel:email-0": "ZeroDivisionError while sending"}


async def test_the_acknowledgement_kept_is_the_first() -> None:
    ledger = MemoryLedger()
    first = Stop(IncidentId("inc"), 0, "link", NOW, "ana")
    assert await ledger.acknowledge(first, lambda _book, _stop: None) == first
    second = Stop(IncidentId("inc"), 0, "link", NOW, "joao")
    assert await ledger.acknowledge(second, lambda _book, _stop: None) == first


async def test_a_link_of_the_time_before_a_reopening_acknowledges_nothing_and_says_so() -> None:
    office = Office()
    await request_page(office.desk, request("joao"))
    await office.run()
    old = (office.sent("email")[0].ack_url or "").rpartition("/")[2]
    await acknowledge(office.desk, old)
    await request_page(office.desk, request("joao", epoch=1))
    await office.run()
    new = (office.sent("email")[1].ack_url or "").rpartition("/")[2]
    assert await read_link(office.desk, old) == LinkRefused("superseded")
    assert await acknowledge(office.desk, old) == LinkRefused("superseded")
    assert await office.ledger.stop_of(IncidentId("inc"), 1) is None
    assert isinstance(await acknowledge(office.desk, new), Link)
    assert await office.ledger.stop_of(IncidentId("inc"), 1) is not None
