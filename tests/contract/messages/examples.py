"""One real message of every kind, as it goes over the bus."""

from datetime import UTC, datetime, timedelta

from shared import contracts as c
from shared.values import (
    CheckId,
    IncidentId,
    Location,
    Outcome,
    Partition,
    PersonId,
    RuleId,
    ServiceId,
    Severity,
)

AT = datetime(2026, 2, 20, 8, 15, 0, 250_000, tzinfo=UTC)
KEY = c.BreachKey(rule=RuleId("web-down"), check=CheckId("web-health"), location=Location("main"))
BREACH = c.OpenBreach(
    key=KEY,
    rev=1_771_575_300_250_000_000,
    service=ServiceId("erp-web"),
    severity=Severity.CRITICAL,
    symptom="web-down",
    cause=c.Cause.THRESHOLD,
    began_at=AT,
    summary="2 of the last 3 probes failed: answered 500, expected 200",
    value=2.0,
    threshold=2.0,
)
INCIDENT = IncidentId("019c79b5-3a2a-7c31-9b8e-5f0c2d6e7a10")
SOURCE = c.evaluator_source(Partition(7))
ANA = c.Addressee(person=PersonId("ana"))
PAGE = c.page_id(INCIDENT, 1, 0, 0, ANA, c.PageKind.PAGE)

_SNAPSHOT = {
    "event_id": "1d0c9b1f3e5a7c9d1d0c9b1f3e5a7c9d",
    "occurred_at": AT,
    "caused_by": "ab0c9b1f3e5a7c9d1d0c9b1f3e5a7c9d",
    "incident": INCIDENT,
    "name": "2026-02-20-web-down",
    "service": "erp-web",
    "symptom": "web-down",
    "severity": "critical",
    "ack_epoch": 1,
    "opened_at": AT,
    "stage_entered_at": AT,
    "stage_due_at": AT + timedelta(minutes=5),
    "summary": "2 of the last 3 probes failed",
    "actor": "hypercare",
}


def _incident(cls: type[c.IncidentEvent], sequence: int, stage: c.Stage, **more: object) -> c.IncidentEvent:
    return cls.model_validate({**_SNAPSHOT, "sequence": sequence, "stage": stage, **more})


EXAMPLES: tuple[c.Message, ...] = (
    c.SampleBatch(
        partition=Partition(7),
        location=Location("main"),
        prober="prober-0-5f3a9c01",
        batch=12,
        samples=[
            c.Sample(
                check=CheckId("web-health"),
                due_at=AT,
                took_s=0.184213,
                outcome=Outcome.OK,
                values={"dns": 0.002104, "connect": 0.011873, "cache_hit_rate": 86.5},
            ),
            c.Sample(
                check=CheckId("db-status"),
                due_at=AT,
                took_s=2.000312,
                outcome=Outcome.FAILED,
                reason="no answer within 2s",
                code="timeout",
            ),
        ],
    ),
    c.Tick(partition=Partition(7), after=41),
    c.ConfigApplied(partition=Partition(7), revision=3, digest="9f86d081884c7d65", hour=492_104),
    c.BreachOpened.of(SOURCE, BREACH, AT, 0.0123),
    c.BreachChanged.of(SOURCE, BREACH.model_copy(update={"severity": Severity.HIGH}), AT),
    c.BreachCleared.of(
        SOURCE, ServiceId("erp-web"), KEY, BREACH.rev + 1, AT, c.ClearReason.HEALED, "2 probes in a row are ok"
    ),
    c.OpenSet(source=SOURCE, as_of=BREACH.rev, at=AT, covered={"erp-web": 0.98}, breaches=[BREACH]),
    c.Measurement(
        partition=Partition(7),
        service=ServiceId("erp-web"),
        check=CheckId("web-health"),
        location=Location("main"),
        minute_at=AT.replace(second=0, microsecond=0),
        ok=10,
        failed=2,
        unknown=0,
        expected=12,
        coverage=1.0,
        series={
            "total": c.SeriesSummary(
                count=2, min=0.1, max=0.3, mean=0.2, p50=0.2, p95=0.29, p99=0.298, sorted_values=[0.1, 0.3]
            )
        },
    ),
    _incident(c.IncidentOpened, 1, c.Stage.ALERT),
    _incident(c.IncidentAcknowledged, 2, c.Stage.ASSESSMENT, person="ana", acknowledged_by="ana", actor="ana"),
    _incident(c.StageEntered, 3, c.Stage.RESPONSE, previous="assessment", reason="assessed"),
    _incident(c.SeverityChanged, 4, c.Stage.RESPONSE, previous="high"),
    _incident(c.IncidentReopened, 5, c.Stage.RESPONSE),
    _incident(c.IncidentResolved, 6, c.Stage.POST_MORTEM),
    _incident(c.IncidentClosed, 7, c.Stage.CLOSED),
    _incident(c.IncidentUpdated, 8, c.Stage.CLOSED, what="note", undeliverable=1),
    c.PageRequested(
        event_id=PAGE,
        occurred_at=AT,
        caused_by="1d0c9b1f3e5a7c9d1d0c9b1f3e5a7c9d",
        page=PAGE,
        incident=INCIDENT,
        incident_name="2026-02-20-web-down",
        service=ServiceId("erp-web"),
        ack_epoch=1,
        round=0,
        rung=0,
        addressee=ANA,
        kind=c.PageKind.PAGE,
        severity=Severity.CRITICAL,
        title="CRITICAL INCIDENT: web-down on erp-web",
        lines=["2 of the last 3 probes failed"],
        runbook="https://wiki.example.org/erp",
    ),
    c.PageCancelled(
        event_id="aa0c9b1f3e5a7c9d1d0c9b1f3e5a7c9d",
        occurred_at=AT,
        incident=INCIDENT,
        ack_epoch=1,
        reason="cleared before anybody acknowledged",
    ),
    c.PageReceipt(
        event_id="bb0c9b1f3e5a7c9d1d0c9b1f3e5a7c9d",
        occurred_at=AT,
        page=PAGE,
        incident=INCIDENT,
        ack_epoch=1,
        addressee=ANA,
        kind=c.PageKind.PAGE,
        state=c.PageState.ACCEPTED,
        delivery=c.delivery_id(PAGE, "email"),
        channel="email",
        attempt=1,
    ),
    c.DeadLetter(
        stream="BREACHES",
        consumer="incidents-breaches",
        original_subject="hc.breaches.v1.evaluator-7.erp-web.opened",
        original_sequence=17,
        headers={"ce-type": "hypercare.breach.opened.v9"},
        body=b"eyJub3QiOiAiZGVjb2RhYmxlIn0=",
        reason="unknown message type 'hypercare.breach.opened.v9'",
        deliveries=1,
        at=AT,
    ),
)


def _of_revision(kind: type[c.Message], revision: int) -> c.Message:
    example = next(one for one in EXAMPLES if type(one) is kind)
    return example.model_copy(update={"revision": revision})


WITH_REVISION: tuple[c.Message, ...] = tuple(
    _of_revision(kind, 3) for kind in (c.BreachOpened, c.BreachChanged, c.OpenSet, c.PageRequested, c.PageReceipt)
)
"""Of kinds whose first goldens are older than this field."""
