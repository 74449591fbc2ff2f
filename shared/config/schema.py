"""The document's JSON Schema, for editors: completion and red lines while typing.

`python -m shared.config.schema > docs/config.schema.json` writes the published file. The schema knows shapes and
patterns; references between parts are checked by `hypercare validate`.
"""

import json
import sys
from typing import Any

from shared.config.model import Document

SCHEMA_ID = "urn:hypercare:config:v1"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the document."""
    schema = Document.model_json_schema(by_alias=True, mode="validation")
    definitions: dict[str, Any] = schema["$defs"]
    # A word of editors' schemas: exactly one of these must be there. Pydantic cannot know it from the fields.
    for name, choices in _ONE_OF.items():
        definitions[name]["oneOf"] = [{"required": [choice]} for choice in choices]
    schema["properties"]["include"] = {
        "type": "array",
        "items": {"type": "string"},
        "description": "More files of this document, relative to this one",
    }
    # An included file holds some of the sections only, so nothing but the shape can be asked of a single file.
    del schema["required"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **schema}


_ONE_OF = {
    "Check": ("http", "heartbeat"),
    "Rule": ("failed", "mean", "min", "max", "p50", "p95", "p99", "no_data"),
    "Window": ("above", "below"),
    "Clear": ("ok_in_a_row", "margin", "for"),
    "Reach": ("email", "sms", "chat", "webhook"),
    "JsonExpectation": ("is", "matches", "above", "below"),
}


def main() -> None:
    """Print the schema as the published file has it."""
    sys.stdout.write(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
