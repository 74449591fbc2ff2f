"""What the notifier counts: outcomes by reason, and the gap people feel, from a page's request to its hand-over."""

from prometheus_client import Counter, Gauge, Histogram

ATTEMPTS = Counter(
    "hypercare_notifier_attempts_total",
    "Sends by channel, provider and how they ended.",
    ["channel", "provider", "outcome"],
)
HAND_OVER = Histogram(
    "hypercare_notifier_hand_over_seconds",
    "From the request of a page to its acceptance by a provider.",
    ["channel"],
    buckets=(0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
IN_FLIGHT = Gauge("hypercare_notifier_in_flight", "Sends under way.", ["channel"])
UNDELIVERABLE = Counter("hypercare_notifier_undeliverable_total", "Pages that no contact method could carry.")
