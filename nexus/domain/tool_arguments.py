"""Turn what a model or a person gave as arguments into what the tool's JSON Schema asks for, or say what is wrong with it. Pure.

**Source:** JSON Schema draft 2020-12 (json-schema.org); the shorthand ``{"time": "string"}`` is the original product's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from referencing import Registry

JsonSchema = Mapping[str, Any]

_TYPES = frozenset({"string", "integer", "number", "boolean", "array", "object", "null"})
_INTEGER = re.compile(r"[+-]?\d{1,15}(\.0+)?")
_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?")
_UNSAFE = frozenset({"$ref", "$dynamicRef", "$recursiveRef", "$id", "pattern", "patternProperties"})
"""Keywords that would make the media process fetch an address, run a tenant's regular expression, or recurse without end."""
_NAMES_WITHIN = frozenset({"properties", "$defs", "definitions", "dependentSchemas"})
_DATA_WITHIN = frozenset({"enum", "const", "default", "examples", "required", "x-nexus"})
_MAX_DEPTH = 16
_TRUTH = {"true": True, "yes": True, "false": False, "no": False}


@dataclass(frozen=True, slots=True)
class CheckedArguments:
    """``problem`` and ``spoken`` are empty when ``values`` may be given to the tool."""

    values: dict[str, Any]
    problem: str = ""
    spoken: str = ""


def full_schema(parameters: JsonSchema) -> dict[str, Any]:
    """A JSON Schema object from either form. In the shorthand every argument is required.

    Raises:
        ValueError: neither form; the message names the fix.
    """
    if parameters.get("type") == "object" or "properties" in parameters:
        schema = {"type": "object", "properties": {}, **parameters}
    else:
        schema = {
            "type": "object",
            "properties": {name: _from_shorthand(name, short) for name, short in parameters.items()},
            "required": list(parameters),
        }
    _check_safe(schema, 0)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        where = ".".join(str(step) for step in error.absolute_path) or "parameters"
        raise ValueError(f"parameters are no JSON Schema at {where}: {error.message}") from error
    return schema


def _check_safe(part: Any, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ValueError(f"parameters nest deeper than {_MAX_DEPTH}; make them flat")
    if isinstance(part, (list, tuple)):
        for one in part:
            _check_safe(one, depth + 1)
    if not isinstance(part, Mapping):
        return
    if unsafe := sorted(_UNSAFE & part.keys()):
        raise ValueError(f"parameters use {', '.join(unsafe)}, which is not supported; write it out, with enum or format")
    for keyword, value in part.items():
        if keyword in _NAMES_WITHIN and isinstance(value, Mapping):
            for one in value.values():
                _check_safe(one, depth + 1)
        elif keyword not in _DATA_WITHIN:
            _check_safe(value, depth + 1)


def _from_shorthand(name: str, short: Any) -> Mapping[str, Any]:
    if isinstance(short, Mapping):
        return short
    if isinstance(short, str) and short in _TYPES:
        return {"type": short}
    raise ValueError(f'parameter "{name}" is {short!r}; write one of {", ".join(sorted(_TYPES))}, or a JSON Schema')


def check_arguments(schema: JsonSchema, given: Mapping[str, Any]) -> CheckedArguments:
    """Convert where nothing is lost (``"4"`` to 4, ``"yes"`` to true), drop what is None or unknown, fill defaults, validate."""
    properties: Mapping[str, Any] = schema.get("properties", {})
    open_ended = schema.get("additionalProperties", False) not in (False, None) or not properties
    values = {
        name: _convert(value, properties.get(name, {}))
        for name, value in given.items()
        if value is not None and (name in properties or open_ended)
    }
    for name, part in properties.items():
        if name not in values and isinstance(part, Mapping) and "default" in part:
            values[name] = part["default"]
    found = Draft202012Validator(schema, registry=Registry()).iter_errors(values)
    errors = sorted(found, key=lambda error: (error.validator != "required", str(error.path)))
    if not errors:
        return CheckedArguments(values)
    return CheckedArguments(values, problem="; ".join(_problem(error) for error in errors[:5]), spoken=_spoken(schema, errors))


def _convert(value: Any, part: Mapping[str, Any]) -> Any:
    wanted = part.get("type") if isinstance(part, Mapping) else None
    if isinstance(value, float) and wanted == "integer" and math.isfinite(value) and value == int(value):
        return int(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and wanted == "string":
        return str(value)
    if not isinstance(value, str):
        return value
    text = value.strip()
    if wanted == "integer" and _INTEGER.fullmatch(text):
        return int(text.partition(".")[0])
    if wanted == "number" and _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    if wanted == "boolean" and text.lower() in _TRUTH:
        return _TRUTH[text.lower()]
    return _as_listed(text, part.get("enum")) if wanted == "string" else value


def _as_listed(text: str, listed: Iterable[Any] | None) -> str:
    """The one listed spelling that differs only in case, spaces and underscores; else the text as it is."""
    plain = _plain(text)
    return next((choice for choice in listed or () if isinstance(choice, str) and _plain(choice) == plain), text)


def _plain(text: str) -> str:
    return re.sub(r"[\s_-]+", " ", text).strip().casefold()


def _problem(error: ValidationError) -> str:
    where = ".".join(str(step) for step in error.absolute_path)
    message = error.message if len(error.message) <= 200 else error.message[:200] + "…"
    return f"{where}: {message}" if where else message


def _spoken(schema: JsonSchema, errors: list[ValidationError]) -> str:
    missing = [name for name in schema.get("required", ()) if any(_misses(error, name) for error in errors)]
    if missing:
        return f"I still need {_joined([_words(name) for name in missing])} for that."
    error = errors[0]
    name = str(error.absolute_path[0]) if error.absolute_path else ""
    if not name:
        return "I did not get all the details right. Could you say them again?"
    if error.validator == "enum" and isinstance(error.validator_value, list):
        choices = [_words(str(choice)) for choice in error.validator_value[:6]]
        return f"For the {_words(name)} I can offer {_joined(choices, 'or')}. Which would you like?"
    if error.validator in {"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"}:
        side = "at least" if "inimum" in str(error.validator) else "at most"
        return f"The {_words(name)} must be {side} {error.validator_value}. Could you give me another one?"
    return f"I did not get the {_words(name)} right. Could you say it again?"


def _misses(error: ValidationError, name: str) -> bool:
    return error.validator == "required" and not error.absolute_path and isinstance(error.instance, Mapping) and name not in error.instance


def _words(name: str) -> str:
    return name.replace("_", " ").strip()


def _joined(words: list[str], last: str = "and") -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
