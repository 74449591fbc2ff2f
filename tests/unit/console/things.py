"""Short ways to say what happened, for the read model's tests."""

from datetime import UTC, datetime, timedelta

from services.console.model import ReadModel, SeriesKey, Shape
from shared import contracts as c
from shared.values import CheckId, IncidentId, Location, Outcome, Partition, PersonId, RuleId, ServiceId, Severity

AT = datetime(2026, 2, 20, 8, 15, tzinfo=UTC)
MAIN = Location("main")
WEB = SeriesKey(CheckId("web-health"), MAIN)
DB = SeriesKey(CheckId("db-status"), MAIN)
SOURCE = c.evaluator_source(Partition(7))
INCIDENT = IncidentId("i1")


def later(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def shape(*keys: SeriesKey, every_s: float = 5) -> Shape:
    made = Shape()
    for key in keys or (WEB, DB):
        made.series[key] = timedelta(seconds=every_s)
        made.service_of[key] = ServiceId("erp-web" if key is WEB else "erp-db")
        made.partition_of[key] = Partition(7)
    return made


def watching(*keys: SeriesKey, every_s: float = 5) -> ReadModel:
    model = ReadModel()
    model.loaded()
    model.configure(shape(*keys, every_s=every_s), AT)
    return model


def batch(*samples: c.Sample) -> c.SampleBatch:
    return c.SampleBatch(partition=Partition(7), location=MAIN, prober="p", batch=1, samples=list(samples))


def sample(at: datetime, outcome: Outcome = Outcome.OK, key: SeriesKey = WEB, took_s: float = 0.1) -> c.Sample:
    reason = None if outcome is Outcome.OK else "because"
    return c.Sample(check=key.check, due_at=at, took_s=took_s, outcome=outcome, reason=reason)


def breach(rev: int, severity: Severity = Severity.HIGH) -> c.OpenBreach:
    return c.OpenBreach(
        key=c.BreachKey(rule=RuleId("web-down"), check=WEB.check, location=MAIN),
        rev=rev,
        service=ServiceId("erp-web"),
        severity=severity,
        symptom="web-down",
        cause=c.Cause.THRESHOLD,
        began_at=AT,
        summary="down",
    )


def opened(rev: int) -> c.BreachOpened:
    return c.BreachOpened.of(SOURCE, breach(rev), AT)


def cleared(rev: int) -> c.BreachCleared:
    one = breach(rev)
    return c.BreachCleared.of(SOURCE, one.service, one.key, rev, AT, c.ClearReason.HEALED)


def open_set(as_of: int, *breaches: c.OpenBreach, at: datetime = AT) -> c.OpenSet:
    return c.OpenSet(source=SOURCE, as_of=as_of, at=at, breaches=list(breaches))


def incident(sequence: int, stage: c.Stage = c.Stage.ALERT, number: int = 1, **more: object) -> c.IncidentEvent:
    fields: dict[str, object] = {
        "event_id": f"e{number}-{sequence}",
        "occurred_at": AT,
        "incident": f"i{number}",
        "name": f"incident-{number}",
        "sequence": sequence,
        "service": "erp-web",
        "symptom": "web-down",
        "severity": "high",
        "stage": stage,
        "ack_epoch": 1,
        "opened_at": AT,
        "stage_entered_at": later(number),
        "stage_due_at": later(300),
        "what": "note",
    }
    return c.IncidentUpdated.model_validate({**fields, **more})


def receipt(
    state: c.PageState, channel: str | None = "email", person: str = "ana", at: datetime = AT, **more: object
) -> c.PageReceipt:
    number = more.pop("number", 1)
    to = c.Addressee(person=PersonId(person))
    page = c.page_id(IncidentId(f"i{number}"), 1, 0, 0, to, c.PageKind.PAGE)
    fields: dict[str, object] = {
        "event_id": f"{page}{state}{channel}",
        "occurred_at": at,
        "page": page,
        "incident": f"i{number}",
        "ack_epoch": 1,
        "addressee": to,
        "kind": c.PageKind.PAGE,
        "state": state,
        "delivery": c.delivery_id(page, channel) if channel else None,
        "channel": channel,
    }
    return c.PageReceipt.model_validate({**fields, **more})


def minute(at: datetime, ok: int = 12, failed: int = 0, p95: float = 0.2) -> c.Measurement:
    series = c.SeriesSummary(count=ok, min=p95, max=p95, mean=p95, p50=p95, p95=p95, p99=p95)
    return c.Measurement(
        partition=Partition(7),
        service=ServiceId("erp-web"),
        check=WEB.check,
        location=MAIN,
        minute_at=at,
        ok=ok,
        failed=failed,
        unknown=0,
        expected=12,
        coverage=1.0,
        series={"total": series} if ok else {},
    )
