"""Cut a document into what each service may know of it."""

from typing import Final, Literal, TypeAlias

from shared.config.cut_console import console_slice
from shared.config.cut_people import incidents_slice, notifier_slice
from shared.config.cut_probing import evaluator_slice, prober_slice
from shared.config.model import Document
from shared.config.slice_models import (
    ConsoleSlice,
    EvaluatorSlice,
    IncidentsSlice,
    NotifierSlice,
    ProberSlice,
    Slice,
)
from shared.values import Partition, ServiceId, partition_of

ServiceName: TypeAlias = Literal["prober", "evaluator", "incidents", "notifier", "console"]

SLICE_TYPES: Final[dict[str, type[Slice]]] = {
    "prober": ProberSlice,
    "evaluator": EvaluatorSlice,
    "incidents": IncidentsSlice,
    "notifier": NotifierSlice,
    "console": ConsoleSlice,
}


def slices(document: Document) -> dict[str, Slice]:
    """Return every service's slice, by the service's name."""
    return {
        "prober": prober_slice(document),
        "evaluator": evaluator_slice(document),
        "incidents": incidents_slice(document),
        "notifier": notifier_slice(document),
        "console": console_slice(document),
    }


def partition_spread(document: Document) -> dict[Partition, list[ServiceId]]:
    """Return the services of every partition, also of the empty ones (for `hypercare plan`)."""
    partitions = document.evaluation.partitions
    spread: dict[Partition, list[ServiceId]] = {Partition(one): [] for one in range(partitions)}
    for service in document.services:
        spread[partition_of(service, partitions)].append(service)
    return spread
