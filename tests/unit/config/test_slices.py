"""Each service is told what it needs, resolved, and nothing that is not its business."""

import json
from datetime import timedelta

import pytest

from shared.config import (
    SLICE_TYPES,
    ConsoleSlice,
    EvaluatorSlice,
    IncidentsSlice,
    NotifierSlice,
    ProberSlice,
    partition_spread,
    slices,
)
from shared.config.cut_console import console_slice
from shared.config.cut_people import incidents_slice, notifier_slice
from shared.config.cut_probing import evaluator_slice, prober_slice
from shared.config.rules import Condition
from shared.config.slice_models import StageName
from shared.values import CheckId, PersonId, RuleId, ServiceId, Severity, partition_of
from tests.unit.config.build import document

HEALTH, BACKUP = CheckId("health"), CheckId("backup")


@pytest.mark.parametrize("name", SLICE_TYPES)
def test_a_slice_survives_the_way_through_json(name: str) -> None:
    one = slices(document())[name]
    again = SLICE_TYPES[name].model_validate_json(one.model_dump_json())
    assert again == one
    assert again.digest() == one.digest()
    assert len(one.digest()) == 64


@pytest.mark.parametrize("name", SLICE_TYPES)
def test_a_reader_ignores_what_a_newer_writer_has_added(name: str) -> None:
    one = slices(document())[name]
    newer = json.loads(one.model_dump_json()) | {"added_later": {"x": 1}}
    for section in newer.values():
        if isinstance(section, dict):
            for part in section.values():
                if isinstance(part, dict):
                    part["added_later"] = True
    assert SLICE_TYPES[name].model_validate_json(json.dumps(newer)) == one


def test_every_service_has_a_slice_of_its_type() -> None:
    types = {type(one) for one in slices(document()).values()}
    assert types == {ProberSlice, EvaluatorSlice, IncidentsSlice, NotifierSlice, ConsoleSlice}


def test_the_order_of_names_changes_no_digest_and_a_threshold_changes_only_who_reads_it() -> None:
    before = slices(document())
    moved = slices(
        document(("  jobs: {escalation: erp}\n", ""), ("services:\n", "services:\n  jobs: {escalation: erp}\n"))
    )
    changed = slices(document(("critical: 1s", "critical: 2s")))
    assert {name: one.digest() for name, one in moved.items()} == {name: one.digest() for name, one in before.items()}
    differing = {name for name in before if before[name].digest() != changed[name].digest()}
    assert differing == {"evaluator", "console"}


@pytest.mark.parametrize("secret", ["+4915112345678", "ana@example.org", "joao@example.org", "João", "Ana"])
def test_probers_and_evaluators_know_no_person(secret: str) -> None:
    known = slices(document())
    assert secret not in known["prober"].model_dump_json()
    assert secret not in known["evaluator"].model_dump_json()


def test_incidents_and_console_know_no_address() -> None:
    known = slices(document())
    for name in ("incidents", "console"):
        assert "+4915112345678" not in known[name].model_dump_json()
        assert "ana@example.org" not in known[name].model_dump_json()


def test_a_prober_gets_the_request_and_references_in_place_of_secrets() -> None:
    check = prober_slice(document()).checks[HEALTH]
    assert check.http is not None
    assert check.http.headers == {"X-Team": "erp"}
    assert check.http.secret_headers["Authorization"].resolve({"HEALTH_TOKEN": "Bearer x"}) == "Bearer x"
    assert check.http.statuses == (200,)
    assert check.http.response_headers == {"content-type": "json"}
    assert [(one.path, one.op, one.value) for one in check.http.json_conditions] == [("$.status", "is", "ok")]
    assert check.http.max_redirects == 5
    assert check.partition == partition_of("web")


def test_time_out_and_grace_have_sensible_defaults() -> None:
    checks = evaluator_slice(document()).checks
    assert (checks[HEALTH].every, checks[HEALTH].timeout, checks[HEALTH].grace) == (
        timedelta(seconds=5),
        timedelta(seconds=5),
        timedelta(seconds=5),
    )
    assert (checks[BACKUP].every, checks[BACKUP].timeout, checks[BACKUP].grace) == (
        timedelta(hours=24),
        timedelta(),
        timedelta(hours=1),
    )
    slow = evaluator_slice(document(("every: 5s", "every: 1m"))).checks[HEALTH]
    assert (slow.timeout, slow.grace) == (timedelta(seconds=10), timedelta(minutes=1))


def test_bands_are_resolved_in_the_unit_measured_worst_first() -> None:
    rules = evaluator_slice(document()).rules
    slow, cold = rules[RuleId("slow")].window, rules[RuleId("cold")].window
    assert slow is not None
    assert cold is not None
    assert [(band.severity, band.value) for band in slow.bands] == [
        (Severity.CRITICAL, 1.0),
        (Severity.HIGH, 0.5),
        (Severity.MEDIUM, 0.2),
    ]
    assert [(band.value, band.text) for band in cold.bands] == [(0.8, "80%")]


def test_a_rule_carries_its_conditions_with_defaults() -> None:
    rules = evaluator_slice(document()).rules
    down, slow, cold, missed = (rules[RuleId(name)] for name in ("down", "slow", "cold", "missed"))
    assert (down.condition, down.symptom, down.ok_in_a_row, down.margin) == (Condition.FAILED, "outage", 2, 0.0)
    assert (slow.margin, slow.pending_for, slow.keep_firing_for) == (0.1, timedelta(seconds=30), timedelta(minutes=1))
    assert cold.keep_firing_for == timedelta(minutes=2)
    assert (missed.condition, missed.severity, missed.service) == (Condition.NO_DATA, Severity.HIGH, ServiceId("jobs"))


def test_incidents_get_a_policy_for_every_severity_and_the_nearest_runbook() -> None:
    known = incidents_slice(document())
    plan = known.escalations["erp"]
    assert set(plan.policies) == set(Severity)
    assert [step.notify for step in plan.policies[Severity.CRITICAL].steps] == [("ana",), ("joao",)]
    assert plan.policies[Severity.LOW] == plan.default
    assert plan.tell[0].address == "#launch"
    assert known.rules[RuleId("down")].runbook == "https://wiki.example.org/web"
    assert known.rules[RuleId("missed")].runbook == "https://wiki.example.org/backup"
    assert known.people[PersonId("ana")].timezone == "Europe/Berlin"
    assert known.public_url == "http://127.0.0.1:8800"


def test_the_shipped_workflow_is_the_plan_to_the_number() -> None:
    stages = incidents_slice(document()).workflow
    assert list(stages) == list(StageName)
    assert stages[StageName.ALERT].clock == dict.fromkeys(Severity, timedelta(minutes=5))
    assert stages[StageName.ALERT].update_every == {Severity.CRITICAL: timedelta(minutes=5)}
    message = stages[StageName.ALERT].message or ""
    assert message.format_map({"SEVERITY": "CRITICAL", "summary": "web is down"}) == "CRITICAL INCIDENT: web is down"
    assert stages[StageName.ASSESSMENT].clock[Severity.LOW] == timedelta(minutes=10)
    assert len(stages[StageName.ASSESSMENT].checklist) == 5 + 4
    assert list(stages[StageName.RESPONSE].clock.values()) == [
        timedelta(minutes=30),
        timedelta(hours=4),
        timedelta(days=1),
        timedelta(days=7),
    ]
    assert stages[StageName.RESPONSE].update_every == {Severity.CRITICAL: timedelta(minutes=15)}
    assert len(stages[StageName.RESOLUTION].checklist) == 5
    assert stages[StageName.RESOLUTION].watch == dict.fromkeys(Severity, timedelta(minutes=30))
    assert stages[StageName.POST_MORTEM].clock[Severity.CRITICAL] == timedelta(hours=24)
    assert len(stages[StageName.POST_MORTEM].checklist) == 8


def test_a_workflow_of_ones_own_replaces_only_what_it_names() -> None:
    own = (
        "workflow: {response: {clock: {critical: 1m}}, resolution: {watch: 10s, gate: none, checklist: []}}\nchannels:"
    )
    stages = incidents_slice(document(("channels:", own))).workflow
    assert stages[StageName.RESPONSE].clock[Severity.CRITICAL] == timedelta(minutes=1)
    assert stages[StageName.RESPONSE].clock[Severity.HIGH] == timedelta(hours=4)
    assert stages[StageName.RESOLUTION].watch == dict.fromkeys(Severity, timedelta(seconds=10))
    assert (stages[StageName.RESOLUTION].gate, stages[StageName.RESOLUTION].checklist) == ("none", ())
    assert stages[StageName.ALERT] == incidents_slice(document()).workflow[StageName.ALERT]


def test_the_notifier_gets_addresses_in_order_and_secrets_as_references() -> None:
    known = notifier_slice(document())
    assert [(one.kind, one.address) for one in known.people[PersonId("ana")].reach] == [
        ("sms", "+4915112345678"),
        ("email", "ana@example.org"),
    ]
    assert known.email[0].password is not None
    assert known.email[0].password.text == "file:/run/p"
    assert known.email[0].starttls is False
    assert known.sms[0].api_url == "https://api.twilio.com"
    assert known.webhook[0].url.resolve({}) == "https://events.example.org/in"
    assert notifier_slice(document(("host: 127.0.0.1", "host: mail.example.org"))).email[0].starttls is True


def test_a_service_can_ask_for_every_secret_that_it_will_need() -> None:
    known = slices(document())
    assert [one.text for one in known["prober"].secrets()] == ["env:HEALTH_TOKEN"]
    assert {one.text for one in known["notifier"].secrets()} >= {"env:U", "file:/run/p", "env:SLACK", "env:EVENTS"}
    assert known["incidents"].secrets() == ()


def test_the_console_shows_a_rule_in_one_line_and_an_address_without_its_query() -> None:
    known = console_slice(document())
    assert known.rules[RuleId("slow")].summary == "p95 of total over 5m above 1s critical, 500ms high, 200ms medium"
    assert known.rules[RuleId("down")].summary == "2 of 3 failed"
    assert known.checks[HEALTH].target == "http://127.0.0.1:3001/health"


def test_services_spread_over_all_partitions_by_their_hash() -> None:
    spread = partition_spread(document(("channels:", "evaluation: {partitions: 4}\nchannels:")))
    assert list(spread) == [0, 1, 2, 3]
    assert spread[partition_of("web", 4)].count(ServiceId("web")) == 1
    assert sum(len(services) for services in spread.values()) == 2
