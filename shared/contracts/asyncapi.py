"""The contracts as an AsyncAPI 3 document, made from the classes themselves."""

import re
from typing import Any

from shared.contracts import MESSAGES, Message
from shared.contracts.streams import CONSUMERS, STREAMS

_REF = re.compile(r"^#/\$defs/")


def stream_of(message: type[Message]) -> str:
    """The stream that keeps this message's subject."""
    sample = message.subject.wildcard.replace("*", "x").split(".")
    for stream in STREAMS:
        for pattern in stream.subjects:
            if _matches(pattern.split("."), sample):
                return stream.name
    raise LookupError(f"no stream keeps {message.subject.template}")


def _matches(pattern: list[str], subject: list[str]) -> bool:
    for index, token in enumerate(pattern):
        if token == ">":  # noqa: S105  # a word of a subject
            return len(subject) > index
        if index >= len(subject) or token not in {"*", subject[index]}:
            return False
    return len(pattern) == len(subject)


def asyncapi() -> dict[str, Any]:
    """The whole document as JSON-ready values."""
    channels: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for message in MESSAGES:
        name = message.__name__
        messages[name] = _message(message)
        channels[name] = {
            "address": message.subject.template,
            "messages": {name: {"$ref": f"#/components/messages/{name}"}},
            "parameters": {
                token: {"description": f"field `{token}` of the message"} for token in message.subject.names
            },
            "x-stream": stream_of(message),
        }
        operations[f"receive{name}"] = {"action": "receive", "channel": {"$ref": f"#/channels/{name}"}}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Hypercare",
            "version": "1.0.0",
            "description": "Every message is a CloudEvents 1.0 event in binary mode over NATS JetStream: "
            "attributes in `ce-` headers, JSON in the body.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"bus": {"host": "nats.example.org:4222", "protocol": "nats"}},
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
        "x-streams": {s.name: {"subjects": list(s.subjects), "maxAgeSeconds": s.max_age_s} for s in STREAMS},
        "x-consumers": {c.durable: {"stream": c.stream, "service": c.service} for c in CONSUMERS},
    }


def _message(message: type[Message]) -> dict[str, Any]:
    return {
        "name": message.ce_type,
        "title": message.__name__,
        "summary": (message.__doc__ or "").strip().splitlines()[0],
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "required": ["ce-specversion", "ce-id", "ce-type", "ce-source", "Nats-Msg-Id"],
            "properties": {
                "ce-specversion": {"const": "1.0"},
                "ce-id": {"type": "string"},
                "ce-type": {"const": message.ce_type},
                "ce-source": {"type": "string"},
                "ce-time": {"type": "string", "format": "date-time"},
                "ce-causedby": {"type": "string"},
                "Nats-Msg-Id": {"type": "string"},
            },
        },
        "payload": _inline(message.model_json_schema()),
    }


def _inline(schema: dict[str, Any]) -> dict[str, Any]:
    """Resolve `#/$defs/…`: such a reference would point outside the message inside a larger document."""
    definitions = schema.pop("$defs", {})

    def resolve(node: Any) -> Any:
        if isinstance(node, dict):
            reference = node.get("$ref", "")
            if _REF.match(reference):
                rest = {key: value for key, value in node.items() if key != "$ref"}
                return {**resolve(definitions[_REF.sub("", reference)]), **rest}
            return {key: resolve(value) for key, value in node.items()}
        return [resolve(item) for item in node] if isinstance(node, list) else node

    resolved: dict[str, Any] = resolve(schema)
    return resolved
