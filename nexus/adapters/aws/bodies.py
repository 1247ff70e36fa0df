"""Our models as the ``body`` of an item. While releases change over, an older one reads what a newer one has written."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from nexus.adapters.aws.items import Item
from nexus.errors import StoreError

Model = TypeVar("Model", bound=BaseModel)


def read(model: type[Model], found: Item) -> Model:
    """The value of an item; fields that a later release has added are left out.

    Raises:
        StoreError: the item is not such a value.
    """
    try:
        return model.model_validate_json(str(found["body"]), extra="ignore")
    except ValidationError as error:
        raise StoreError("store_unavailable", f"An item ({model.__name__}) cannot be read by this release; upgrade it.") from error
