"""The sealed diary."""

from dataclasses import replace

from services.incidents.domain.timeline import is_unbroken
from tests.unit.incidents.house import House


async def test_a_timeline_proves_that_nothing_was_changed_removed_or_cut_off() -> None:
    house = House()
    await house.open()
    await house.acts.note("incident-1", "ana", "looking at the database")
    incident = await house.only()
    entries = await house.store.timeline(incident.id)
    length, last = incident.timeline_length, incident.timeline_hash

    assert len(entries) >= 3
    assert is_unbroken(entries, length, last)
    assert not is_unbroken([*entries[:-1], replace(entries[-1], text="looking at nothing")], length, last)
    assert not is_unbroken([*entries[:-1], replace(entries[-1], actor="joao")], length, last)
    assert not is_unbroken(entries[:-1], length, last)
    assert not is_unbroken(entries[1:], length, last)
    assert not is_unbroken([*entries, entries[-1]], length, last)
