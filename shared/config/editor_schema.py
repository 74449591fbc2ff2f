"""The document's JSON Schema, for editors: completion and red lines while typing.

The schema knows shapes and
patterns; references between parts are checked by `hypercare validate`.
"""

from typing import Any

from shared.config.model import Document

SCHEMA_ID = "urn:hypercare:config:v1"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the document."""
    schema = Document.model_json_schema(by_alias=True, mode="validation")
    definitions: dict[str, Any] = schema["$defs"]
    # What pydantic cannot know from the fields: exactly one of these must be there.
    for name, choices in _ONE_OF.items():
        definitions[name]["oneOf"] = [{"required": [choice]} for choice in choices]
    schema["properties"]["include"] = {
        "type": "array",
        "items": {"type": "string"},
        "description": "More files of this document, relative to this one",
    }
    # An included file holds some of the sections only, so no single file has to hold them all.
    del schema["required"]
    schema["$defs"] = {name: _for_editors(one) for name, one in definitions.items()}
    schema["$defs"]["Variable"] = {"type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^{}]*)?\}"}
    schema["properties"] = {name: _for_editors(one) for name, one in schema["properties"].items()}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **schema}


def _for_editors(node: dict[str, Any]) -> dict[str, Any]:
    """Take null away (a name without a value is an error), and let `${NAME}` stand for any value that has a form."""
    if "properties" in node:
        return {**node, "properties": {name: _for_editors(one) for name, one in node["properties"].items()}}
    plain = {key: value for key, value in node.items() if not (key == "default" and value is None)}
    if "anyOf" in plain:
        kinds = [_for_editors(one) for one in plain.pop("anyOf") if one != {"type": "null"}]
        return {**plain, **(kinds[0] if len(kinds) == 1 else {"anyOf": kinds})}
    for key in ("items", "additionalProperties"):
        if isinstance(plain.get(key), dict):
            plain[key] = _for_editors(plain[key])
    has_form = plain.get("type") in ("integer", "number", "boolean") or {"enum", "const", "pattern"} & plain.keys()
    return {"anyOf": [plain, {"$ref": "#/$defs/Variable"}]} if has_form and "$ref" not in plain else plain


_ONE_OF = {
    "Check": ("http", "heartbeat"),
    "Rule": ("failed", "mean", "min", "max", "p50", "p95", "p99", "no_data"),
    "Window": ("above", "below"),
    "Clear": ("ok_in_a_row", "margin", "for"),
    "Reach": ("email", "sms", "chat", "webhook"),
    "JsonExpectation": ("is", "matches", "above", "below"),
}
