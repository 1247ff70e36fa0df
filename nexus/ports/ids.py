"""Fresh ids."""

from __future__ import annotations

from typing import Protocol


class Ids(Protocol):
    """Fresh ids: prefixed ULIDs that sort by time."""

    def new(self, prefix: str) -> str:
        """``{prefix}_{ULID}``."""
        ...
