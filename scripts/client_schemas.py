"""Writes local/client/schemas.py, the typed shapes of the REST API's answers, out of docs/openapi.json.

``python scripts/client_schemas.py`` renews the file; a test compares.
"""

from __future__ import annotations

import json
import keyword
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "openapi.json"
TARGET = ROOT / "local" / "client" / "schemas.py"
_HEAD = '''"""The shapes of the REST API's bodies and answers, by their names in docs/openapi.json.

Written by ``python scripts/client_schemas.py``; do not edit. ``NotRequired`` is what an answer may leave out.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict
'''
_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}


def render(document: dict[str, Any]) -> str:
    """The module's text, not yet formatted."""
    schemas: dict[str, Any] = document["components"]["schemas"]
    parts = [_declared(name, schema) for name, schema in sorted(schemas.items())]
    return "\n\n".join([_HEAD, *parts]) + "\n"


def formatted(text: str) -> str:
    """The text in the house's format."""
    ruff = Path(sys.executable).parent / "ruff"
    command = [str(ruff), "format", "--stdin-filename", str(TARGET), "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout


def _declared(name: str, schema: dict[str, Any]) -> str:
    if schema.get("type") != "object" or "properties" not in schema:
        return f"{name} = {_type(schema, quoted=True)}"
    required = set(schema.get("required", ()))
    fields = {
        field: _type(told) if field in required else f"NotRequired[{_type(told)}]" for field, told in sorted(schema["properties"].items())
    }
    if all(field.isidentifier() and not keyword.iskeyword(field) for field in fields):
        return "\n".join([f"class {name}(TypedDict):", *(f"    {field}: {told}" for field, told in fields.items())])
    rows = ", ".join(f'"{field}": "{told}"' for field, told in fields.items())
    return f'{name} = TypedDict("{name}", {{{rows}}})'


def _type(schema: dict[str, Any], *, quoted: bool = False) -> str:
    """A schema as a type; ``quoted``: outside of a class, where names are looked up at once."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return f'"{name}"' if quoted else name
    if "const" in schema or "enum" in schema:
        values = [schema["const"]] if "const" in schema else schema["enum"]
        return f"Literal[{', '.join(json.dumps(value) if not isinstance(value, bool) else str(value) for value in values)}]"
    for joined in ("anyOf", "oneOf"):
        if joined in schema:
            return " | ".join(dict.fromkeys(_type(one, quoted=quoted) for one in schema[joined]))
    if "allOf" in schema and len(schema["allOf"]) == 1:
        return _type(schema["allOf"][0], quoted=quoted)
    return _container(schema, quoted=quoted)


def _container(schema: dict[str, Any], *, quoted: bool) -> str:
    match schema.get("type"):
        case "array":
            return f"list[{_type(schema.get('items', {}), quoted=quoted)}]"
        case "object":
            inner = schema.get("additionalProperties", True)
            return f"dict[str, {_type(inner, quoted=quoted) if isinstance(inner, dict) else 'Any'}]"
        case str(plain) if plain in _PLAIN:
            return _PLAIN[plain]
    return "Any"


if __name__ == "__main__":
    TARGET.write_text(formatted(render(json.loads(DOCUMENT.read_text("utf-8")))), "utf-8")
