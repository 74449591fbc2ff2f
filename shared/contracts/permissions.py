"""Who may do what on the bus: one user per service, in an account of its own, with the subjects it needs and no more.

Kept beside the streams so that a new subject and the right to use it are one change. The server's configuration is
generated from this table (`deploy/nats/`, and `hypercare up` for a laptop); ADR 9 says why there are accounts.

A pattern must be exact: what it matches by accident can be reached by the reply subject of a request, whatever else
the user is denied.
"""

from dataclasses import dataclass, field

from shared.contracts.streams import (
    BREACHES,
    CHECKPOINT_POINTERS,
    CHECKPOINTS,
    CONFIG,
    CONSUMERS,
    INCIDENTS,
    MEASUREMENTS,
    MEMBERS,
    OPEN_SETS,
    RECEIPTS,
    REVISIONS,
    SAMPLES,
    TOKENS,
    Bucket,
    Stream,
)


@dataclass(frozen=True)
class BusUser:
    """A user of the bus. Subjects are patterns; everything else is denied.

    `publish` is what its account imports as services: requests, and messages that a stream keeps. `subscribe` is what
    it imports as streams of messages. The inbox needs no import: it is its account's own.
    """

    name: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...] = field(default=())

    @property
    def inbox(self) -> str:
        """Where it is answered."""
        return f"_INBOX.{self.name}.>"

    @property
    def is_free(self) -> bool:
        """Whether it may do everything, in the account where the streams are."""
        return self.publish == (">",)


def _reads_bucket(bucket: Bucket) -> tuple[str, ...]:
    """What reading a bucket takes: stream info and gets, no consumer (it could deliver to anybody's subject)."""
    asked = (f"$JS.API.STREAM.INFO.{bucket.stream}", f"$JS.API.STREAM.MSG.GET.{bucket.stream}")
    return asked if bucket.is_objects else (*asked, *_gets(bucket.stream))


def _gets(stream: str) -> tuple[str, ...]:
    return (f"$JS.API.DIRECT.GET.{stream}", f"$JS.API.DIRECT.GET.{stream}.>")


def _reads_streams(*streams: Stream) -> tuple[str, ...]:
    """What reading streams message by message takes."""
    return tuple(right for one in streams for right in (f"$JS.API.STREAM.INFO.{one.name}", *_gets(one.name)))


def _durables(service: str) -> tuple[str, ...]:
    """What reading a user's declared consumers takes."""
    rights: list[str] = []
    for consumer in CONSUMERS:
        if consumer.service == service:
            where = f"{consumer.stream}.{consumer.durable}"
            rights += [
                f"$JS.API.CONSUMER.INFO.{where}",
                f"$JS.API.CONSUMER.MSG.NEXT.{where}",
                f"$JS.ACK.{where}.>",
                f"$JS.ACK.*.*.{where}.>",
            ]
    return tuple(rights)


def _buries(service: str) -> tuple[str, ...]:
    """Giving up a message to the dead letters."""
    return tuple(f"hc.dead.v1.{one.stream}.{one.durable}" for one in CONSUMERS if one.service == service)


# Without a right to ask this, the server would add the whole API to an account that has no streams of its own.
ALIVE = "$JS.API.INFO"


def _service(name: str, *publish: str, hears: tuple[str, ...] = ()) -> BusUser:
    """Liveness, configuration and membership are what each service does."""
    rights = (
        ALIVE,
        *_reads_bucket(CONFIG),
        f"$KV.config.answers.{name}.*",
        *_reads_bucket(REVISIONS[name]),
        *_reads_bucket(MEMBERS),
        f"$KV.members.{name}.*",
        *publish,
        *_durables(name),
        *_buries(name),
    )
    return BusUser(name, rights, hears)


PROBER = _service("prober", "hc.samples.v1.*.*")
EVALUATOR = _service(
    "evaluator",
    "hc.samples.v1.*.control.owner",
    "hc.measurements.v1.*",
    "hc.breaches.v1.*.*.*",
    "hc.open.v1.*",
    *_reads_streams(SAMPLES),
    *_reads_bucket(CHECKPOINTS),
    "$O.checkpoints.>",
    f"$JS.API.STREAM.PURGE.{CHECKPOINTS.stream}",
    *_reads_bucket(CHECKPOINT_POINTERS),
    "$KV.checkpoint-pointers.*",
    hears=(SAMPLES.live,),
)
INCIDENTS_USER = _service("incidents", "hc.incidents.v1.*.*", "hc.pages.v1.*", *_reads_bucket(TOKENS))
NOTIFIER = _service("notifier", "hc.receipts.v1.*.*", *_reads_bucket(TOKENS))
CONSOLE = _service(
    "console",
    *_reads_streams(BREACHES, OPEN_SETS, INCIDENTS, RECEIPTS, MEASUREMENTS),
    *_reads_bucket(TOKENS),
    hears=tuple(one.live for one in (SAMPLES, BREACHES, OPEN_SETS, INCIDENTS, RECEIPTS, MEASUREMENTS)),
)
PLATFORM = BusUser(
    "platform",
    (ALIVE, *_durables("platform"), *_reads_streams(BREACHES, INCIDENTS, MEASUREMENTS)),
    tuple(one.live for one in (BREACHES, INCIDENTS, MEASUREMENTS)),
)
"""For teams that listen on the bus; it says nothing.

Receipts are not among what it reads: they hold addresses. Events of incidents name people by their ids and hold what
was written about the incident.
"""
ADMIN = BusUser("admin", (">",), (">",))
"""The command line's own user: declares streams, applies configuration, reads and replays dead letters."""

BUS_USERS = (PROBER, EVALUATOR, INCIDENTS_USER, NOTIFIER, CONSOLE, PLATFORM, ADMIN)
