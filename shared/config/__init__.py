"""The configuration: one declarative set of documents, read strictly, cut into a slice per service (ADR 0006)."""

from shared.config.model import Document
from shared.config.slice_models import (
    ConsoleSlice,
    EvaluatorSlice,
    IncidentsSlice,
    NotifierSlice,
    ProberSlice,
    Slice,
)
from shared.config.slices import SLICE_TYPES, partition_spread, slices
from shared.config.types import SecretMissing, SecretRef, UrlRef

__all__ = [
    "SLICE_TYPES",
    "ConsoleSlice",
    "Document",
    "EvaluatorSlice",
    "IncidentsSlice",
    "NotifierSlice",
    "ProberSlice",
    "SecretMissing",
    "SecretRef",
    "Slice",
    "UrlRef",
    "partition_spread",
    "slices",
]
