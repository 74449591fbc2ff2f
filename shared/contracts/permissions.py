"""Who may do what on the bus: one user per service, with the subjects it needs and no more.

Kept beside the streams so that a new subject and the right to use it are one change. The server's configuration is
generated from this table (`deploy/nats/`, and `hypercare up` for a laptop).
"""

from dataclasses import dataclass, field

from shared.contracts.streams import (
    BREACHES,
    CHECKPOINT_POINTERS,
    CHECKPOINTS,
    CONFIG,
    CONSUMERS,
    INCIDENTS,
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
    """A user of the bus. Subjects are patterns; everything else is denied."""

    name: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...] = field(default=())


def _reads_bucket(bucket: Bucket) -> tuple[str, ...]:
    """What reading a bucket takes: stream info, direct gets, and for objects a consumer over the chunks."""
    rights = (
        f"$JS.API.STREAM.INFO.{bucket.stream}",
        f"$JS.API.DIRECT.GET.{bucket.stream}",
        f"$JS.API.DIRECT.GET.{bucket.stream}.>",
        f"$JS.API.STREAM.MSG.GET.{bucket.stream}",
    )
    # nats-py looks an object's chunks up by their subject: it may learn the names of streams, nothing in them.
    return (*rights, "$JS.API.STREAM.NAMES", *_own_consumers(bucket.stream)) if bucket.is_objects else rights


def _writes_bucket(bucket: Bucket, keys: str = ">") -> tuple[str, ...]:
    if bucket.is_objects:
        return (f"$O.{bucket.name}.>", f"$JS.API.STREAM.PURGE.{bucket.stream}")
    return (f"$KV.{bucket.name}.{keys}",)


def _own_consumers(stream: str) -> tuple[str, ...]:
    """What reading a stream with short-lived consumers of one's own takes."""
    return (
        f"$JS.API.STREAM.INFO.{stream}",
        f"$JS.API.CONSUMER.CREATE.{stream}",
        f"$JS.API.CONSUMER.CREATE.{stream}.>",
        f"$JS.API.CONSUMER.INFO.{stream}.*",
        f"$JS.API.CONSUMER.DELETE.{stream}.*",
        f"$JS.API.CONSUMER.MSG.NEXT.{stream}.*",
        f"$JS.ACK.{stream}.>",
        f"$JS.FC.{stream}.>",
    )


def _durables(service: str) -> tuple[str, ...]:
    """What reading a service's declared consumers takes, and giving up a message to the dead letters."""
    rights: list[str] = []
    for consumer in CONSUMERS:
        if consumer.service == service:
            where = f"{consumer.stream}.{consumer.durable}"
            rights += [
                f"$JS.API.CONSUMER.INFO.{where}",
                f"$JS.API.CONSUMER.MSG.NEXT.{where}",
                f"$JS.ACK.{where}.>",
                f"$JS.ACK.*.*.{where}.>",
                f"hc.dead.v1.{consumer.stream}.{consumer.durable}",
            ]
    return tuple(rights)


def _every_service(service: str) -> tuple[str, ...]:
    """Liveness, configuration and membership: what each service does."""
    return (
        "$JS.API.INFO",
        f"_INBOX.{service}.>",
        *_reads_bucket(CONFIG),
        f"$KV.config.answers.{service}.*",
        *_reads_bucket(REVISIONS[service]),
        *_reads_bucket(MEMBERS),
        f"$KV.members.{service}.*",
    )


def _user(service: str, *publish: str, listens: tuple[str, ...] = ()) -> BusUser:
    return BusUser(service, (*_every_service(service), *publish), (f"_INBOX.{service}.>", *listens))


def _direct_get(stream: Stream) -> tuple[str, ...]:
    return (f"$JS.API.DIRECT.GET.{stream.name}", f"$JS.API.DIRECT.GET.{stream.name}.>")


PROBER = _user("prober", "hc.samples.v1.*.*", listens=())
EVALUATOR = _user(
    "evaluator",
    "hc.samples.v1.*._ctl",
    "hc.measurements.v1.*",
    "hc.breaches.v1.*.*.*",
    "hc.open.v1.*",
    *_own_consumers(SAMPLES.name),
    *_direct_get(SAMPLES),
    f"$JS.API.STREAM.MSG.GET.{SAMPLES.name}",
    *_reads_bucket(CHECKPOINTS),
    *_writes_bucket(CHECKPOINTS),
    *_reads_bucket(CHECKPOINT_POINTERS),
    *_writes_bucket(CHECKPOINT_POINTERS),
)
INCIDENTS_USER = _user(
    "incidents", "hc.incidents.v1.*.*", "hc.pages.v1.*", *_durables("incidents"), *_reads_bucket(TOKENS)
)
NOTIFIER = _user("notifier", "hc.receipts.v1.*.*", *_durables("notifier"), *_reads_bucket(TOKENS))
CONSOLE = _user(
    "console",
    *(right for stream in (BREACHES, OPEN_SETS, INCIDENTS, RECEIPTS) for right in _own_consumers(stream.name)),
    *_own_consumers("MEASUREMENTS"),
    *_reads_bucket(TOKENS),
    listens=("hc.samples.v1.*.*", "hc.incidents.v1.>", "hc.receipts.v1.>", "hc.breaches.v1.>", "hc.open.v1.>"),
)
PLATFORM = BusUser(
    "platform", ("$JS.API.INFO", "_INBOX.platform.>"), ("_INBOX.platform.>", "hc.incidents.v1.>", "hc.breaches.v1.>")
)
"""For teams that listen on the bus."""
ADMIN = BusUser("admin", (">",), (">",))
"""The command line's own user: declares streams, applies configuration, reads and replays dead letters."""

BUS_USERS = (PROBER, EVALUATOR, INCIDENTS_USER, NOTIFIER, CONSOLE, PLATFORM, ADMIN)

# A prober must not be able to say a control record. NATS permissions know no exception inside `publish.allow`
# without a deny list, so the deny lists stand here beside the table.
DENIED: dict[str, tuple[str, ...]] = {"prober": ("hc.samples.v1.*._ctl",)}
