"""Which names are known at a path of the document: for "did you mean"."""

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from shared.config.errors import Path
from shared.config.model import Document


def names_at(path: Path) -> list[str]:
    """Return the field names that may stand at a path; none where names are free or there are no fields."""
    here: Any = Document
    for step in path:
        here = _below(here, step)
    model = _model(here)
    return [] if model is None else [field.alias or name for name, field in model.model_fields.items()]


def _below(here: Any, step: str | int) -> Any:
    model = _model(here)
    if model is not None:
        for name, field in model.model_fields.items():
            if step in (field.alias, name):
                return field.annotation
        return None
    for part in _parts(here):
        origin, arguments = get_origin(part), get_args(part)
        if origin is dict:
            return arguments[1]
        if origin is tuple:
            return arguments[0]
    return None


def _parts(annotation: Any) -> list[Any]:
    """Take off Annotated and Optional."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _parts(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [part for argument in get_args(annotation) for part in _parts(argument)]
    return [annotation]


def _model(annotation: Any) -> type[BaseModel] | None:
    for part in _parts(annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None
