"""The JSONPath that checks understand: one value, by names and positions (a subset of RFC 9535)."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field, WithJsonSchema

_STEP: Final = re.compile(
    r"""\.(?P<name>[^\W\d][\w-]*)|\[(?P<index>-?\d{1,6})\]|\['(?P<single>[^'\\]+)'\]|\["(?P<double>[^"\\]+)"\]"""
)


def parse_json_path(text: str) -> tuple[str | int, ...]:
    """Return the steps of `$.cache.hit_rate`, `$.rows[0]['a b']`, `$[-1]`; `$` alone is the whole answer: ().

    Raises ValueError for anything else: wildcards, filters and `..` name many values, and a check needs one.
    """
    if not text.startswith("$"):
        raise ValueError("must be a JSON path that starts with $, like $.status")
    steps: list[str | int] = []
    end = 1
    while end < len(text):
        match = _STEP.match(text, end)
        if match is None:
            raise ValueError(f"is not a path to one value from character {end + 1} on; write it like $.rows[0].name")
        index = match["index"]
        steps.append(int(index) if index is not None else match["name"] or match["single"] or match["double"])
        end = match.end()
    return tuple(steps)


def _check_path(value: str) -> str:
    parse_json_path(value)
    return value


JsonPath = Annotated[
    str,
    Field(max_length=500),
    AfterValidator(_check_path),
    WithJsonSchema({"type": "string", "pattern": r"^\$", "description": "A path to one value, like $.status"}),
]
