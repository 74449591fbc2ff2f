"""What this service counts besides what every service does."""

from prometheus_client import Counter, Histogram

BREACHES_TAKEN = Counter("hypercare_breaches_taken_total", "Verdicts by what was made of them.", ["reason"])
BREACH_AGE = Histogram(
    "hypercare_breach_age_seconds",
    "From the evaluator's verdict to our taking it up.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30, 120),
)
