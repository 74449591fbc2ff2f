"""Metrics every service shares. Those of one service stand in that service."""

from prometheus_client import Counter, Gauge

HANDLED = Counter("hypercare_messages_handled_total", "Messages by how they were settled.", ["consumer", "outcome"])
OUTBOX_PUBLISHED = Counter("hypercare_outbox_published_total", "Events published from the outbox.", ["by"])
CONFIG_REVISION = Gauge("hypercare_config_revision", "The configuration revision this replica works by.")
PROBLEM = Gauge("hypercare_problem", "1 while this replica says on /readyz that something is wrong.", ["problem"])
