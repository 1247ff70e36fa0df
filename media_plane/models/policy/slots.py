"""A tool's parameters as slots to fill: what kind of thing each wants, and what the caller calls it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from media_plane.models.policy.words import label, words_of
from media_plane.ports.tools import ToolSpec

KINDS = frozenset(
    [
        "date",
        "time",
        "datetime",
        "phone",
        "email",
        "name",
        "integer",
        "number",
        "boolean",
        "enum",
        "list",
        "records",
        "code",
        "address",
        "text",
    ]
)
_PERSON = frozenset(
    {"customer", "client", "caller", "guest", "full", "first", "last", "your", "owner", "patient", "member", "person", "contact", "student"}
)
_COUNTED = frozenset({"size", "guests", "people", "count", "quantity", "persons", "seats", "nights", "number"})


@dataclass(frozen=True, slots=True)
class Slot:
    """One parameter. ``ask`` is the tenant's own question for it, if any; ``parts`` are the fields of each record of a ``records`` slot."""

    name: str
    kind: str
    required: bool
    description: str = ""
    ask: str = ""
    choices: tuple[str, ...] = ()
    parts: tuple[Slot, ...] = ()
    schema: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """How one says its name."""
        return label(self.name)


def slots_of(tool: ToolSpec) -> tuple[Slot, ...]:
    """The slots of a tool in the order of its schema."""
    return _slots_of(tool.parameters)


def _slots_of(schema: Mapping[str, Any]) -> tuple[Slot, ...]:
    properties = schema.get("properties") or {}
    required = schema.get("required") or ()
    return tuple(_slot(name, part if isinstance(part, Mapping) else {}, name in required) for name, part in properties.items())


def _slot(name: str, schema: Mapping[str, Any], required: bool) -> Slot:
    hints = schema.get("x-nexus")
    hints = hints if isinstance(hints, Mapping) else {}
    items = schema.get("items")
    items = items if isinstance(items, Mapping) else {}
    kind = str(hints.get("kind", ""))
    return Slot(
        name=name,
        kind=_ALIASES.get(kind, kind) if _ALIASES.get(kind, kind) in KINDS else _kind(name, schema, items),
        required=required,
        description=str(schema.get("description", "")),
        ask=str(hints.get("ask", "")),
        choices=tuple(str(value) for value in schema.get("enum") or items.get("enum") or ()),
        parts=_slots_of(items),
        schema=schema,
    )


_ALIASES = {
    "person": "name",
    "person_name": "name",
    "int": "integer",
    "choice": "enum",
    "digits": "code",
    "bool": "boolean",
    "string": "text",
}


def _kind(name: str, schema: Mapping[str, Any], items: Mapping[str, Any]) -> str:
    declared = schema.get("type", "string")
    declared = next((one for one in declared if one != "null"), "string") if isinstance(declared, list) else declared
    if schema.get("enum"):
        return "enum"
    if declared == "array":
        return "records" if items.get("properties") else "list"
    if declared in ("integer", "number", "boolean"):
        return str(declared)
    by_format = {"date": "date", "time": "time", "date-time": "datetime", "phone": "phone", "email": "email"}.get(
        str(schema.get("format", ""))
    )
    return by_format or _kind_of_words(words_of(name), str(schema.get("description", "")).lower())


def _kind_of_words(words: list[str], description: str) -> str:
    named = set(words)
    for kind, marks in (("phone", {"phone", "mobile", "telephone", "cell"}), ("email", {"email", "mail"}), ("address", {"address"})):
        if named & marks:
            return kind
    if named & {"date", "day", "birthday"} or "yyyy-mm-dd" in description:
        return "date"
    if named & {"time", "hour"} or "hh:mm" in description:
        return "time"
    if "name" in named or named <= _PERSON:
        return "name" if not named - _PERSON - {"name"} else "text"
    if named & _COUNTED and not named & {"card", "order", "account", "reference"}:
        return "integer"
    if named & {"number", "code", "id", "plate", "reference", "card", "zip", "postcode"}:
        return "code"
    return "text"
