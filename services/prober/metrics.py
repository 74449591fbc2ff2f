"""What the prober counts of itself."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

PROBES: Final = Counter("hypercare_probes_total", "Probes by outcome and code.", ["outcome", "code"])
LATENESS: Final = Histogram(
    "hypercare_probe_lateness_seconds",
    "How long after its due time a probe began.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
DURATION: Final = Histogram(
    "hypercare_probe_duration_seconds",
    "How long probes took.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
IN_FLIGHT: Final = Gauge("hypercare_probes_in_flight", "Probes begun and not ended.")
SKIPPED: Final = Counter("hypercare_probes_skipped_total", "Turns for which no probe was made.", ["reason"])
CLOCK_JUMPS: Final = Counter("hypercare_prober_clock_jumps_total", "Times the schedule followed a wall clock set.")
BUFFERED: Final = Gauge("hypercare_samples_buffered", "Samples the bus has not acknowledged yet.")
DROPPED: Final = Counter("hypercare_samples_dropped_total", "Samples lost because the buffer was full.")
BATCHES: Final = Counter("hypercare_batches_total", "Batches acknowledged by the bus.")
BATCH_SECONDS: Final = Histogram(
    "hypercare_batch_seconds",
    "From a batch's first try to its acknowledgement.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 30),
)
PINGS: Final = Counter("hypercare_pings_total", "Heartbeats received by answer.", ["answer"])
