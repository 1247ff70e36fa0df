"""Our models as the ``body`` of an item. While releases change over, an older one reads what a newer one has written."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from nexus.adapters.aws.items import Item
from nexus.errors import StoreError

Model = TypeVar("Model", bound=BaseModel)


def read(model: type[Model], found: Item) -> Model:
    """The value of an item; fields that a later release has added are left out.

    Raises:
        StoreError: the item is not such a value.
    """
    text = str(found["body"])
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        unknown = [one["loc"] for one in error.errors(include_url=False, include_input=False) if one["type"] == "extra_forbidden"]
    try:
        return model.model_validate_json(json.dumps(_without(json.loads(text), unknown)))
    except ValueError as error:  # pydantic's ValidationError is one
        raise StoreError("store_unavailable", f"An item ({model.__name__}) cannot be read by this release; upgrade it.") from error


def _without(value: Any, places: list[tuple[int | str, ...]]) -> Any:
    for *path, last in places:
        part = value
        for step in path:
            part = part[step]
        del part[last]
    return value
