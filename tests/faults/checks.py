"""What must hold after every story, whatever was killed, frozen or lost on the way."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import asyncpg

from services.incidents.domain.timeline import Entry, is_unbroken
from services.notifier.domain.link import read_token
from shared.contracts import BreachChanged, BreachCleared, BreachOpened, PageRequested
from shared.contracts.breaches import BreachEvent
from shared.contracts.streams import CONSUMERS
from tests.faults.outside import Outside, until
from tests.faults.story import RULE, Story

FINAL: Final = frozenset(
    {"accepted", "delivered", "seen", "acknowledged", "failed_permanent", "dead", "cancelled"}
)  # what no further work is due for
ARRIVED: Final = frozenset({"accepted", "delivered", "seen", "acknowledged"})


@dataclass(frozen=True)
class Way:
    """One delivery of the ledger with the page it belongs to."""

    page: dict[str, Any]
    delivery: dict[str, Any]

    @property
    def attempts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.delivery["attempts"]
        return found

    @property
    def unknown(self) -> int:
        """Attempts of which the ledger says that nobody can know."""
        return sum(one["outcome"] in {None, "Unknown"} for one in self.attempts)

    @property
    def taken(self) -> int:
        """Attempts that the provider is known to have taken."""
        return sum(one["outcome"] in {"Accepted", "Delivered"} for one in self.attempts)

    @property
    def words(self) -> str:
        """For people who read a failed test."""
        page = self.page
        tried = [(one["outcome"], one["reason"], one["replica"]) for one in self.attempts]
        return (
            f"{page['kind']} to {page['addressee']} round {page['round']} rung {page['rung']} epoch {page['ack_epoch']}"
            f" by {self.delivery['channel']}: {self.delivery['state']} {tried} {page['title']!r}"
        )


async def check(
    story: Story, *, verdicts: Sequence[str] = ("opened", "cleared"), red: bool = False, silent: bool = False
) -> list[Way]:
    """All checkers.

    `verdicts`: of the story's rule, in order; `red`: pages may be undeliverable; `silent`: the prober was away for long
    enough to be missed, which was said and taken back.
    """
    await everything_is_said(story.house)
    ways = await ledger_is_whole(story, red=red)
    await sinks_agree(story, ways)
    no_send_after_ack(story, ways)
    await verdicts_are(story, verdicts, silent=silent)
    await incident_is_sound(story)
    await rungs_are_chained(story)
    assert not await story.said("DEAD"), "there are dead letters"
    return ways


async def everything_is_said(house: Outside) -> None:
    """What was committed is published, what was published is taken in; twice, for taking in commits more."""
    for _ in range(2):
        await outboxes_are_empty(house)
        await bus_is_settled(house)


async def bus_is_settled(house: Outside) -> None:
    """No message of any of our consumers is waiting, unacknowledged or undecoded."""
    async with house.bus() as client:
        js = client.jetstream(timeout=10)
        for consumer in (one for one in CONSUMERS if one.service != "platform"):  # those are other teams' own affair
            last = (await js.stream_info(consumer.stream)).state.last_seq

            async def look(stream: str = consumer.stream, durable: str = consumer.durable, last: int = last) -> Any:
                info = await js.consumer_info(stream, durable)
                floor = info.ack_floor.stream_seq if info.ack_floor else 0
                return True if floor >= last or (not info.num_pending and not info.num_ack_pending) else None

            await until(look, f"{consumer.durable} has settled all up to {last}")


async def ledger_is_whole(story: Story, *, red: bool = False) -> list[Way]:
    """Every page requested since the story began is in the ledger and has come to an end; returns the deliveries."""
    wanted = {one.message.page for one in await story.said("PAGES") if isinstance(one.message, PageRequested)}
    assert wanted, "nobody was paged"

    async def look() -> list[dict[str, Any]] | None:
        listed = {one["page"] for one in await story.house.pages("?limit=1000")}
        if not wanted <= listed:
            return None
        pages = [await story.house.pages(f"/{page}") for page in sorted(wanted)]
        return pages if all(_is_final(page) for page in pages) else None

    try:
        pages = await until(look, "every page requested is in the ledger and final")
    except AssertionError as error:
        open_ = [await story.house.pages(f"/{page}") for page in sorted(wanted)]
        raise AssertionError(f"{error}: {[page for page in open_ if not _is_final(page)]}") from error
    for page in pages:
        reached = any(one["state"] in ARRIVED for one in page["deliveries"])
        stopped = page["kind"] == "page" and page["stop"] is not None
        assert reached or stopped or (red and page["undeliverable_at"]), f"a page was lost: {page}"
    return [Way(page, delivery) for page in pages for delivery in page["deliveries"]]


def _is_final(page: dict[str, Any]) -> bool:
    return bool(page["deliveries"] or page["undeliverable_at"]) and all(
        one["state"] in FINAL for one in page["deliveries"]
    )


async def sinks_agree(story: Story, ways: Sequence[Way]) -> None:
    """Every delivery that was taken arrived exactly once; more often only as often as its ledger says unknown."""
    by_name = {str(way.delivery["delivery"]): way for way in ways}
    came = Counter(_name_of_arrival(one, ways) for one in await story.arrivals())
    strangers = {name: count for name, count in came.items() if name not in by_name}
    assert not strangers, f"arrived and in no ledger: {strangers}"
    for name, way in by_name.items():
        most = way.taken + way.unknown
        at_least = int(way.delivery["state"] in ARRIVED)
        assert at_least <= came[name], f"in the ledger and not at the sinks ({came[name]} came): {way.words}"
        assert came[name] <= most, f"arrived {came[name]} times, at most {most} explained: {way.words}"


def _name_of_arrival(one: dict[str, Any], ways: Sequence[Way]) -> str:
    """Which delivery it is; an SMS carries its name in its link, or the beginning of it."""
    if one["channel"] != "sms":
        return str(one["message_id"]).strip("<>").partition("@")[0]
    claimed = read_token(one["ack_url"].rpartition("/")[2]) if one["ack_url"] else None
    start = str(one["text"]).rpartition("\nRef ")[2]
    names = (str(way.delivery["delivery"]) for way in ways)
    return claimed.delivery if claimed else next((name for name in names if name.startswith(start)), one["text"])


def no_send_after_ack(story: Story, ways: Sequence[Way]) -> None:
    """No attempt to ring began after the first acknowledgement of its epoch was committed and answered."""
    if not story.acked_at:
        return
    for way in ways:
        if way.page["kind"] != "page" or way.page["stop"] is None or way.page["stop"]["person"] is None:
            continue
        said = datetime.fromisoformat(way.page["stop"]["at"])
        committed = min((at for at in story.acked_at if at >= said), default=None)
        late = [one for one in way.attempts if committed and datetime.fromisoformat(one["started_at"]) > committed]
        assert not late, f"sent after the acknowledgement of {said}: {way.words}"


async def verdicts_are(story: Story, expected: Sequence[str], rule: str = RULE, *, silent: bool = False) -> None:
    """The story's rule was said to breach and to clear as often as it did, in rising revs; nothing else was said."""
    said = [one.message for one in await story.said("BREACHES") if isinstance(one.message, BreachEvent)]
    kinds: dict[type[BreachEvent], str] = {
        BreachOpened: "opened", BreachChanged: "changed", BreachCleared: "cleared",
    }  # fmt: skip
    mine = [(kinds[type(one)], one.rev) for one in said if one.key.rule == rule]
    others = [(kinds[type(one)], one.key.text) for one in said if one.key.rule != rule]
    if silent:
        assert all(key.startswith("prober-down/") for _, key in others), f"verdicts nobody expected: {others}"
        assert Counter(kind for kind, _ in others)["opened"] * 2 == len(others), f"not taken back: {others}"
    else:
        assert not others, f"verdicts nobody expected: {others}"
    assert [kind for kind, _ in mine] == list(expected), mine
    revs = [rev for _, rev in mine]
    assert revs == sorted(set(revs)), f"revs do not rise: {mine}"


async def incident_is_sound(story: Story) -> None:
    """Its timeline's seals hold, its events count from 1 without gaps, in the stream's order, each once."""
    shown = await story.house.incidents(f"/{story.incident}/timeline")
    entries = [
        Entry(
            shown["incident"], one["sequence"], datetime.fromisoformat(one["at"]), one["kind"], one["text"],
            one["actor"], one["hash"],
        )
        for one in shown["entries"]
    ]  # fmt: skip
    assert shown["verified"]
    assert is_unbroken(entries, len(entries), entries[-1].hash), entries
    sequences = [one.sequence for one in await story.events()]
    assert sequences == list(range(1, len(sequences) + 1)), sequences


async def rungs_are_chained(story: Story, wait: timedelta = timedelta(seconds=30)) -> None:
    """Each rung waited for the last one's hand-over, or for word that it reached nobody: never two in a burst."""
    pages = [one for one in (await story.house.incidents(f"/{story.incident}"))["pages"] if one["kind"] == "page"]
    rungs: dict[tuple[int, int, int], list[dict[str, Any]]] = defaultdict(list)
    for page in pages:
        rungs[page["ack_epoch"], page["round"], page["rung"]].append(page)
    for (before, last), (after, next_) in pairwise(sorted(rungs.items())):
        if before[0] != after[0] or all(one["undeliverable"] for one in last):
            continue
        handed_over = [datetime.fromisoformat(one["handed_over_at"]) for one in last if one["handed_over_at"]]
        asked = min(datetime.fromisoformat(one["requested_at"]) for one in next_)
        assert handed_over, f"rung {after} was rung, and nobody of {before} had been reached: {last}"
        assert asked >= min(handed_over) + wait, f"rung {after} came {asked - min(handed_over)} after {before}"


async def outboxes_are_empty(house: Outside) -> None:
    """Everything that was committed has been published."""
    for schema, dsn in house.facts["database_urls"].items():
        connection = await asyncpg.connect(dsn)
        try:

            async def look(connection: Any = connection, schema: str = schema) -> bool | None:
                table = f"{schema}.outbox"
                left = await connection.fetchval(f"SELECT count(*) FROM {table} WHERE published_at IS NULL")  # noqa: S608  # ours
                return None if left else True

            await until(look, f"the outbox of {schema} is empty")
        finally:
            await connection.close()
