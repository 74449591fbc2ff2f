"""What the evaluator counts."""

from prometheus_client import Counter, Gauge

RECORDS = Counter("hypercare_evaluator_records_total", "Records of the log applied.")
VERDICTS = Counter("hypercare_evaluator_verdicts_total", "Verdicts and minutes said.", ["kind"])
NOTES = Counter("hypercare_evaluator_notes_total", "What is no verdict and must not go unsaid.", ["what"])
LAG_S = Gauge("hypercare_evaluator_lag_seconds", "Age of the last record when it was applied.")
PARTITIONS = Gauge("hypercare_evaluator_partitions", "Partitions this replica owns.")
