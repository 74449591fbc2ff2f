"""The configuration: one declarative set of documents, read strictly, cut into a slice per service (ADR 0006)."""

from shared.config.difference import Change, difference
from shared.config.editor_schema import json_schema
from shared.config.errors import ConfigError, ConfigErrors
from shared.config.model import Document
from shared.config.reading import load, parse
from shared.config.secret_places import missing_of
from shared.config.secret_refs import SecretMissing, SecretRef, UrlRef
from shared.config.slice_models import (
    ConsoleSlice,
    EvaluatorSlice,
    IncidentsSlice,
    NotifierSlice,
    ProberSlice,
    Slice,
)
from shared.config.slices import SLICE_TYPES, partition_spread, slices

__all__ = [
    "SLICE_TYPES",
    "Change",
    "ConfigError",
    "ConfigErrors",
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
    "difference",
    "json_schema",
    "load",
    "missing_of",
    "parse",
    "partition_spread",
    "slices",
]
