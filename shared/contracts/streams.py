"""Streams, buckets and durable consumers: declared once, here; made by one idempotent bootstrap (`hypercare migrate`).

All streams keep by limits; none is a work queue: whoever has a right to read may read from the beginning.
"""

from dataclasses import dataclass
from typing import Final

from shared.contracts.breaches import OpenSet
from shared.contracts.pages import PageReceipt

HOUR_S: Final = 3600
DAY_S: Final = 24 * HOUR_S
MIB: Final = 1024 * 1024
LIVE: Final = "live"


@dataclass(frozen=True)
class Stream:
    """One stream. Ages and windows in seconds, sizes in bytes; `per_subject` None means unlimited."""

    name: str
    subjects: tuple[str, ...]
    max_age_s: int
    purpose: str
    max_bytes: int = 1024 * MIB
    duplicates_s: int = 120
    per_subject: int | None = None

    @property
    def live(self) -> str:
        """Where each message is said once more when it is stored, for who only listens: `live.hc.incidents.v1.*.*`.

        A message that came from another account is heard by nobody but its stream, so subscribe to this.
        """
        return f"{LIVE}.{self.subjects[0]}"


@dataclass(frozen=True)
class Consumer:
    """One durable pull consumer: explicit acks, no limit on deliveries (what cannot work is dead-lettered by us)."""

    durable: str
    stream: str
    service: str
    filters: tuple[str, ...]
    ack_wait_s: int = 10
    """How long a killed replica keeps a message to itself; handlers are idempotent, so a slow one only works twice."""
    max_ack_pending: int = 256


@dataclass(frozen=True)
class Bucket:
    """A key-value bucket, or an object store when `is_objects`.

    Of a bucket of values: max_age_s, after which an entry that nobody has written again is forgotten (0: never), and
    max_bytes, at which the oldest entries go where they age anyway, and where they do not, nothing new is taken.
    """

    name: str
    purpose: str
    is_objects: bool = False
    history: int = 1
    max_age_s: int = 0
    max_bytes: int = 64 * MIB

    @property
    def stream(self) -> str:
        """The stream JetStream keeps the bucket in."""
        return f"{'OBJ' if self.is_objects else 'KV'}_{self.name}"


SAMPLES: Final = Stream(
    "SAMPLES", ("hc.samples.v1.>",), 72 * HOUR_S, "The recorded log that verdicts are a function of.", 4096 * MIB
)
MEASUREMENTS: Final = Stream("MEASUREMENTS", ("hc.measurements.v1.*",), 7 * DAY_S, "One-minute measurements.")
BREACHES: Final = Stream(
    "BREACHES", ("hc.breaches.v1.*.*.*",), 30 * DAY_S, "Breaches opened, changed, cleared.", duplicates_s=72 * HOUR_S
)
OPEN_SETS: Final = Stream(
    "OPEN_SETS", (OpenSet.subject.wildcard,), 7 * DAY_S, "Each source's open breaches, restated.", per_subject=1
)
INCIDENTS: Final = Stream(
    "INCIDENTS", ("hc.incidents.v1.*.*",), 90 * DAY_S, "What happens to incidents.", duplicates_s=HOUR_S
)
PAGES: Final = Stream("PAGES", ("hc.pages.v1.*",), 7 * DAY_S, "Pages requested and cancelled.", duplicates_s=HOUR_S)
RECEIPTS: Final = Stream("RECEIPTS", ("hc.receipts.v1.*.*",), 30 * DAY_S, "What became of pages.", duplicates_s=HOUR_S)
PROGRAMME: Final = Stream("PROGRAMME", ("hc.programme.v1.*.*",), 90 * DAY_S, "The launch programme's own events.")
DEAD: Final = Stream("DEAD", ("hc.dead.v1.*.*",), 30 * DAY_S, "Dead letters.", duplicates_s=DAY_S)

STREAMS: Final = (SAMPLES, MEASUREMENTS, BREACHES, OPEN_SETS, INCIDENTS, PAGES, RECEIPTS, PROGRAMME, DEAD)

INCIDENTS_BREACHES: Final = Consumer("incidents-breaches", BREACHES.name, "incidents", ("hc.breaches.v1.*.*.*",))
INCIDENTS_OPEN_SETS: Final = Consumer("incidents-open-sets", OPEN_SETS.name, "incidents", ("hc.open.v1.*",))
INCIDENTS_RECEIPTS: Final = Consumer("incidents-receipts", RECEIPTS.name, "incidents", (PageReceipt.subject.wildcard,))
NOTIFIER_PAGES: Final = Consumer("notifier-pages", PAGES.name, "notifier", ("hc.pages.v1.*",))
PLATFORM_INCIDENTS: Final = Consumer("platform-incidents", INCIDENTS.name, "platform", INCIDENTS.subjects)
PLATFORM_BREACHES: Final = Consumer("platform-breaches", BREACHES.name, "platform", BREACHES.subjects)
PLATFORM_MEASUREMENTS: Final = Consumer("platform-measurements", MEASUREMENTS.name, "platform", MEASUREMENTS.subjects)

CONSUMERS: Final = (
    INCIDENTS_BREACHES,
    INCIDENTS_OPEN_SETS,
    INCIDENTS_RECEIPTS,
    NOTIFIER_PAGES,
    PLATFORM_INCIDENTS,
    PLATFORM_BREACHES,
    PLATFORM_MEASUREMENTS,
)

CONFIG: Final = Bucket("config", "The pointer to the current revision, and each replica's answer to it.")
MEMBERS: Final = Bucket(
    "members",
    "Heartbeats of replicas; one that has stood still for a day is forgotten.",
    max_age_s=DAY_S,
    max_bytes=MIB,
)
"""Dead is who has not moved (`shared/kit/partitions.py`), never who has aged: a day is only for tidiness. Everybody
reads all of it twice a second, so it stays small, also when somebody floods it."""
TOKENS: Final = Bucket("tokens", "API tokens by their hash.")
CHECKPOINT_POINTERS: Final = Bucket("checkpoint-pointers", "Which checkpoint of a partition is current.")
CHECKPOINTS: Final = Bucket("checkpoints", "Immutable checkpoints of the evaluator.", is_objects=True)
SLICES: Final = ("prober", "evaluator", "incidents", "notifier", "console")
REVISIONS: Final = {
    name: Bucket(f"revisions_{name}", f"What {name} may see of each revision.", is_objects=True)
    for name in (*SLICES, "document")
}
BUCKETS: Final = (CONFIG, MEMBERS, TOKENS, CHECKPOINT_POINTERS, CHECKPOINTS, *REVISIONS.values())
