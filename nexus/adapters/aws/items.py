"""Items as plain dictionaries: what DynamoDB calls an attribute value is known here only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nexus.adapters.aws.keys import Key
from nexus.errors import StoreError

Plain = str | int | bool
Item = Mapping[str, Plain]

ITEM_VERSION = 1
"""The version of our items' layout: each item carries it as ``v``. A release refuses items of a later one."""


def item(key: Key, **attributes: Plain) -> dict[str, Plain]:
    """An item ready to be written."""
    return {"pk": key.pk, "sk": key.sk, "v": ITEM_VERSION, **attributes}


def marshalled(values: Item) -> dict[str, Any]:
    """As the API wants it."""
    return {name: _marshal(value) for name, value in values.items()}


def unmarshalled(found: Mapping[str, Any]) -> dict[str, Plain]:
    """From the API.

    Raises:
        StoreError: the item was written by a newer release.
    """
    values = {name: _unmarshal(value) for name, value in found.items()}
    if int(values.get("v", ITEM_VERSION)) > ITEM_VERSION:
        raise StoreError("store_unavailable", "An item was written by a newer release; upgrade this one.")
    return values


def _marshal(value: Plain) -> dict[str, Any]:
    match value:
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
    return {"S": value}


def _unmarshal(value: Mapping[str, Any]) -> Plain:
    if "N" in value:
        return int(value["N"])
    plain: Plain = value["S"] if "S" in value else value["BOOL"]
    return plain
