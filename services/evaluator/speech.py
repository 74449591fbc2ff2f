"""The engine's outputs as public messages."""

from services.evaluator.domain import verdicts as v
from shared import contracts as c
from shared.kit.clock import from_ns
from shared.values import Partition

_CLEARED = {
    v.ClearReason.HEALED: c.ClearReason.HEALED,
    v.ClearReason.CONFIG: c.ClearReason.CONFIG,
    v.ClearReason.SUPERSEDED: c.ClearReason.CONFIG,
}


def message_of(output: v.Output, partition: Partition, revision: int | None) -> c.Message | None:
    """What to publish for an output; None for a note, which is for logs and metrics.

    `revision`: of the plan in force once the record is taken.
    """
    source = c.evaluator_source(partition)
    match output:
        case v.Opened():
            return _told(c.BreachOpened, source, output.breach, revision)
        case v.Changed():
            return _told(c.BreachChanged, source, output.breach, revision)
        case v.Cleared():
            return c.BreachCleared.of(
                source,
                output.key.service,
                _key(output.key),
                output.rev,
                from_ns(output.rev),  # when we learned it, by the log's clock; series time is in `began_at`
                _CLEARED[output.reason],
                output.summary,
            )
        case v.OpenSet():
            return c.OpenSet(
                source=source,
                as_of=output.as_of,
                at=from_ns(output.at_ns),
                covered={str(service): share for service, share in output.covered.items()},
                breaches=[_breach(breach) for breach in output.breaches],
                revision=revision,
            )
        case v.MinuteMeasurement():
            return _measurement(output, partition)
        case v.Note():
            return None


def _told(kind: type[c.BreachOpened], source: str, breach: v.Breach, revision: int | None) -> c.BreachOpened:
    return kind.of(source, _breach(breach), from_ns(breach.rev), breach.took_s, revision)


def _key(key: v.Key) -> c.BreachKey:
    return c.BreachKey(rule=key.rule, check=key.check, location=key.location)


def _breach(breach: v.Breach) -> c.OpenBreach:
    return c.OpenBreach(
        key=_key(breach.key),
        rev=breach.rev,
        service=breach.key.service,
        severity=breach.severity,
        symptom=breach.symptom,
        cause=c.Cause(breach.cause.value),
        began_at=from_ns(breach.began_at_ns),
        summary=breach.summary,
        value=breach.value,
        threshold=breach.threshold,
    )


def _measurement(minute: v.MinuteMeasurement, partition: Partition) -> c.Measurement:
    return c.Measurement(
        partition=partition,
        service=minute.service,
        check=minute.check,
        location=minute.location,
        minute_at=from_ns(minute.minute_ns),
        ok=minute.ok,
        failed=minute.failed,
        unknown=minute.unknown,
        expected=minute.expected,
        coverage=minute.coverage,
        series={
            name: c.SeriesSummary(
                count=s.count, min=s.min, max=s.max, mean=s.mean, p50=s.p50, p95=s.p95, p99=s.p99,
                sorted_values=list(s.sorted_values) if s.sorted_values is not None else None,
            )
            for name, s in minute.series.items()
        },
    )  # fmt: skip
