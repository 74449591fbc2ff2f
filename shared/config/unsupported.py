"""What later versions will do and this one does not: refused by name, never accepted and ignored."""

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NOT_YET: Final[dict[str, frozenset[str]]] = {
    "": _words(
        """slos maintenance rotations schedules on_call silences templates targets metrics integrations
        intake status_page calendars canary watchdog dependencies plan reviews exit_criteria action_items
        groups teams probers"""
    ),
    "services.*": _words("split_by depends_on slos slo maintenance owner tags fallback"),
    "checks.*": _words(
        """tcp udp tls dns icmp ping grpc websocket postgres mysql mssql redis mongodb kafka rabbitmq nats smtp imap
        ssh ftp browser script exec command docker kubernetes snmp prometheus metrics certificate domain push steps
        locations retries maintenance schedule tags"""
    ),
    "checks.*.http": _words("body form auth oauth2 client_certificate proxy ip_version http_version resolve ca_file"),
    "checks.*.http.expect": _words("certificate tls latency json_schema"),
    "rules.*": _words(
        """slo slos burn_rate budget rate increase anomaly baseline forecast checks quorum absent maintenance depends_on
        p90 p999 median sum count stddev"""
    ),
    "people.*": _words("on_call quiet_hours absences rotation working_hours"),
    "people.*.reach.*": _words("voice call phone push teams mattermost telegram discord signal whatsapp ntfy matrix"),
    "escalations.*": _words("rotation on_call business_hours"),
    "escalations.*.tell.*": _words("voice call phone push teams mattermost telegram discord status_page"),
    "channels": _words(
        "voice call push teams mattermost telegram discord signal whatsapp ntfy matrix pagerduty opsgenie"
    ),
    "channels.email.*": _words("sendgrid ses mailgun postmark resend"),
    "channels.sms.*": _words("vonage sns messagebird sinch smpp"),
    "channels.chat.*": _words("mattermost teams discord telegram google_chat rocketchat zulip matrix"),
    "workflow": _words("closed stages"),
    "workflow.*": _words("actions entry approvals"),
}
"""Where (`*` for any name or position) to the fields refused there."""


def is_not_yet(path: tuple[str | int, ...]) -> bool:
    """Whether a field is one that a later version will have."""
    *parents, name = path
    return any(str(name) in names and _fits(pattern, parents) for pattern, names in NOT_YET.items())


def _fits(pattern: str, parents: list[str | int]) -> bool:
    steps = pattern.split(".") if pattern else []
    return len(steps) == len(parents) and all(want in {"*", str(got)} for want, got in zip(steps, parents, strict=True))
