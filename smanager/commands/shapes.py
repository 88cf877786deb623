"""Which JSON values a JSON Schema allows, as far as parameters' annotations need it, and how people read that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, repeat
from typing import Any

Schema = Mapping[str, Any]

_CLASSES: Mapping[str, type] = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
_WORDS = {"string": "text", "integer": "int", "number": "float", "boolean": "bool", "null": "none"}


def conforms(value: object, schema: Schema) -> bool:
    """Whether a JSON value is one of those that a schema allows."""
    if "anyOf" in schema:
        return any(conforms(value, allowed) for allowed in schema["anyOf"])
    if "enum" in schema:
        return any(equal(value, allowed) for allowed in schema["enum"])
    if "type" in schema and not any(_is(value, kind) for kind in _kinds(schema)):
        return False
    if isinstance(value, dict):
        return _has_members(value, schema)
    return not isinstance(value, list) or _has_items(value, schema)


def equal(one: object, other: object) -> bool:
    """Whether two JSON values are one, as 5 and 5.0 are; for Python, 1 and true are one as well."""
    return one == other and isinstance(one, bool) is isinstance(other, bool)


def is_integer(value: object) -> bool:
    """Whether a JSON number is an integer; 5.0 is."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1


def wording(schema: Schema) -> str:
    """What a schema allows, as people write it."""
    if "anyOf" in schema:
        return " or ".join(map(wording, schema["anyOf"]))
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    if "prefixItems" in schema:
        return f"[{', '.join(map(wording, schema['prefixItems']))}]"
    if "items" in schema:
        return f"[{wording(schema['items'])}, ...]"
    if "properties" in schema:
        required = schema.get("required", ())
        members = [
            f"{name}{'' if name in required else '?'}: {wording(of)}" for name, of in schema["properties"].items()
        ]
        return f"{{{', '.join(members)}}}"
    if "additionalProperties" in schema:
        return f"{{name: {wording(schema['additionalProperties'])}, ...}}"
    return " or ".join(schema.get("format") or _WORDS.get(kind, kind) for kind in _kinds(schema)) or "any value"


def _kinds(schema: Schema) -> Sequence[str]:
    kinds = schema.get("type", ())
    return [kinds] if isinstance(kinds, str) else kinds


def _is(value: object, kind: str) -> bool:
    if kind == "integer":
        return is_integer(value)
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, _CLASSES[kind])


def _has_members(value: dict[str, Any], schema: Schema) -> bool:
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    if not value.keys() >= set(schema.get("required", ())) or (others is False and value.keys() - properties.keys()):
        return False
    return all(conforms(item, properties.get(name, others)) for name, item in value.items())


def _has_items(value: list[Any], schema: Schema) -> bool:
    first = schema.get("prefixItems", ())
    if len(value) < schema.get("minItems", 0) or len(value) > schema.get("maxItems", len(value)):
        return False
    return all(map(conforms, value, chain(first, repeat(schema.get("items", {}), len(value)))))
