"""What arrived, held against the page ledger: each delivery once, more often only where the ledger says `unknown`."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

FINAL: Final = frozenset(
    {"accepted", "delivered", "seen", "acknowledged", "failed_permanent", "dead", "cancelled"}
)  # what no further attempt is due for
_ARRIVED: Final = frozenset({"accepted", "delivered", "seen", "acknowledged"})
_TAKEN: Final = frozenset({"Accepted", "Delivered"})
_UNKNOWN: Final = frozenset({"Unknown", None})
_MARKS: Final = ("page", "person", "rung", "kind")


@dataclass(frozen=True)
class Way:
    """One delivery of a page, and how often the ledger explains that it arrived."""

    name: str
    page: str
    person: str
    rung: str
    kind: str
    channel: str
    state: str
    least: int
    most: int
    provider_ids: frozenset[str]
    """What the provider calls it: an SMS carries no other name."""

    @property
    def words(self) -> str:
        """Names it for people."""
        return f"{self.kind} {self.page} for {self.person} (rung {self.rung}) by {self.channel}"


def is_settled(page: Mapping[str, Any]) -> bool:
    """Whether nothing more is due for this page (as the notifier's API shows it)."""
    deliveries = page["deliveries"]
    return bool(deliveries or page["undeliverable_at"]) and all(one["state"] in FINAL for one in deliveries)


def ways_of(pages: Sequence[Mapping[str, Any]]) -> list[Way]:
    """Every delivery of these pages (as the notifier's API shows them)."""
    return [_way(page, delivery) for page in pages for delivery in page["deliveries"]]


def _way(page: Mapping[str, Any], delivery: Mapping[str, Any]) -> Way:
    outcomes = [one["outcome"] for one in delivery["attempts"]]
    taken = sum(outcome in _TAKEN for outcome in outcomes)
    return Way(
        name=delivery["delivery"],
        page=page["page"],
        person=page["addressee"],
        rung=str(page["rung"]),
        kind=page["kind"],
        channel=delivery["channel"],
        state=delivery["state"],
        least=int(delivery["state"] in _ARRIVED),
        most=taken + sum(outcome in _UNKNOWN for outcome in outcomes),
        provider_ids=frozenset(one["provider_id"] for one in delivery["attempts"] if one["provider_id"]),
    )


def way_of(arrival: Mapping[str, Any], ways: Sequence[Way]) -> Way | None:
    """Which delivery this message is: mail, chat and webhooks carry its name, an SMS has the provider's."""
    message_id = str(arrival["message_id"] or "").strip("<>")
    name = message_id.partition("@")[0]
    return next((way for way in ways if way.name == name or message_id in way.provider_ids), None)


def named(arrival: Mapping[str, Any], ways: Sequence[Way]) -> dict[str, Any]:
    """Return the arrival with page, person, rung and kind, from the ledger where the channel carries none."""
    way = way_of(arrival, ways)
    missing = {} if way is None else {mark: getattr(way, mark) for mark in _MARKS if arrival.get(mark) is None}
    return {**arrival, **missing}


def disagreements(ways: Sequence[Way], arrivals: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Say in words where ledger and arrivals differ; nothing when each came as often as the ledger explains."""
    came: Counter[str] = Counter()
    for arrival in arrivals:
        way = way_of(arrival, ways)
        if way is None:
            yield f"a message to {arrival['to']} by {arrival['channel']} arrived and is in no ledger"
        else:
            came[way.name] += 1
    for way in ways:
        if came[way.name] < way.least:
            yield f"{way.words} is {way.state} in the ledger and did not arrive"
        elif came[way.name] > way.most:
            yield f"{way.words} arrived {came[way.name]} times; the ledger explains {way.most}"
