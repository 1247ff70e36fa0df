"""A tenant's own fields of a lead: small JSON Schemas, one for each field. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import JsonValue

MOST_FIELDS = 20
_TYPES = ("string", "integer", "number", "boolean", "array")
# No reference (it could name another host), no pattern (a model is asked to follow it, and a bad one costs minutes).
_KEYWORDS = frozenset(
    {"type", "description", "enum", "minimum", "maximum", "minLength", "maxLength", "format", "items", "minItems", "maxItems"}
)


def faults_of_fields(fields: Mapping[str, JsonValue]) -> Iterator[str]:
    """What is wrong with each field's schema; nothing when all can be used."""
    if len(fields) > MOST_FIELDS:
        yield f"has {len(fields)} fields; at most {MOST_FIELDS} are read"
    for name, schema in fields.items():
        yield from (f"{name}: {fault}" for fault in _faults(schema))


def fits(schema: JsonValue, value: JsonValue) -> bool:
    """Whether a value is one that the field asks for."""
    return isinstance(schema, dict) and Draft202012Validator(schema).is_valid(value)


def _faults(schema: JsonValue, *, nested: bool = False) -> Iterator[str]:
    if not isinstance(schema, dict):
        yield "is a JSON Schema as a mapping, for example {type: integer, description: how many people}"
        return
    unknown = sorted(set(schema) - _KEYWORDS)
    if unknown:
        yield f"{', '.join(unknown)} cannot be used here; the keywords are {', '.join(sorted(_KEYWORDS))}"
        return
    kind = schema.get("type")
    if kind not in _TYPES or (nested and kind == "array"):
        yield f"type is one of {', '.join(_TYPES[: -1 if nested else None])}"
        return
    if kind == "array":
        yield from (f"items: {fault}" for fault in _faults(schema.get("items"), nested=True))
    yield from _schema_faults(schema)


def _schema_faults(schema: dict[str, Any]) -> Iterator[str]:
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        yield f"is no JSON Schema: {error.message}"
