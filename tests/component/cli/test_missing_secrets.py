"""A secret that is not there is named at once, with what needs it and what to do."""

from pathlib import Path

from tests.component.cli.running import ended_at_last, hypercare, hypercare_as, start

SMALL = """\
version: 1
programme: launch
timezone: Europe/Berlin
public_url: ${HYPERCARE_URL}
locations: [main]
services: {site: {escalation: team}}
checks: {home: {service: site, every: 1m, http: {url: 'http://127.0.0.1:9/'}}}
rules: {down: {check: home, failed: {at_least: 2, of: 3}, severity: critical}}
people: {ana: {name: Ana, reach: [{email: ana@example.org}]}}
escalations: {team: {default: {steps: [{notify: [ana]}]}}}
channels:
  email: [{smtp: {host: 127.0.0.1, port: 2525, from: pager@example.org}}]
"""
CHAT = "  chat: [{slack: {webhook: env:TEAM_CHAT}}]\n"
MISSING = "the secret env:TEAM_CHAT is not set, and notifier needs it: set it and start again"
CHAT_IS_THERE = {"TEAM_CHAT": "http://127.0.0.1:9/services/T0/B0/x"}


def test_up_names_every_missing_secret_with_its_place_and_starts_nothing(folder: Path) -> None:
    file = folder / "hypercare.yaml"
    file.write_text(SMALL.replace("9/'}", "9/', headers: {Authorization: 'file:/nowhere/token'}}") + CHAT)

    said = hypercare_as(["up", "-f", file, "--data", folder / "data"])

    assert said.code == 2
    assert f"{file}:13:28: channels.chat[0].slack.webhook: {MISSING}" in said.err.splitlines()
    assert "checks.home.http.headers.Authorization: the secret file:/nowhere/token cannot be read" in said.err
    assert "2 mistakes" in said.err
    assert not (folder / "data" / "nats").exists()


def test_validate_does_not_ask_for_secrets_that_live_where_the_services_run(folder: Path) -> None:
    file = folder / "hypercare.yaml"
    file.write_text(SMALL.replace("${HYPERCARE_URL}", "http://127.0.0.1") + CHAT)
    said = hypercare("validate", file)
    assert said.code == 0
    assert "1 service, 1 check, 1 rule, 1 person, 1 escalation" in said.out


def test_without_its_last_configuration_s_secret_it_does_not_start_and_with_an_older_one_it_goes_on(
    folder: Path,
) -> None:
    first, second, data = folder / "first.yaml", folder / "second.yaml", folder / "data"
    first.write_text(SMALL)
    second.write_text(SMALL + CHAT)

    # given a system that went on with its first configuration, because the second one's secret was not there
    with ended_at_last(start(data, folder / "up-0", "-f", first)) as up:
        up.wait_watching()
        applied = up.run("apply", second)
        assert applied.code == 1
        assert "refused, because secret env:TEAM_CHAT" in applied.out
        assert up.stop() == 0
    # when it is started again, then it still does
    with ended_at_last(start(data, folder / "up-1")) as up:
        up.wait_watching()
        assert any(
            e.startswith("notifier goes on with its last good configuration") and MISSING in e for e in up.events()
        )
        assert up.stop() == 0
    # given the secret, when it has worked by the second one, then it cannot do without
    with ended_at_last(start(data, folder / "up-2", env=CHAT_IS_THERE)) as up:
        up.wait_watching()
        assert up.stop() == 0
    said = hypercare_as(["up", "--data", data])
    assert said.code == 2
    assert f"channels.chat[0].slack.webhook: {MISSING}" in said.err
