"""Documents in memory."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime

from nexus.adapters.rules import check_changes, check_expected
from nexus.ports.documents import Change, Delete, Document, Put


class MemoryDocumentStore:
    """Args: ``now``: what expiry is held against."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._documents: dict[tuple[str, str], Document] = {}

    async def get(self, tenant_id: str, key: str) -> Document | None:
        return copy.deepcopy(self._live(tenant_id, key))

    async def list(self, tenant_id: str, prefix: str, *, limit: int, after: str = "", newest_first: bool = False) -> tuple[Document, ...]:
        keys = sorted((key for owner, key in self._documents if owner == tenant_id and key.startswith(prefix)), reverse=newest_first)
        beyond = [key for key in keys if not after or (key < after if newest_first else key > after)]
        live = [found for key in beyond if (found := self._live(tenant_id, key)) is not None]
        return copy.deepcopy(tuple(live[:limit]))

    async def write(self, tenant_id: str, *changes: Change) -> tuple[int, ...]:
        check_changes(changes)
        before = [self._live(tenant_id, change.key) for change in changes]
        for change, found in zip(changes, before, strict=True):
            check_expected(change, found)
        return tuple(self._apply(tenant_id, change, found) for change, found in zip(changes, before, strict=True))

    def version(self, tenant_id: str, key: str) -> int:
        """Its version now; 0 where there is none."""
        found = self._live(tenant_id, key)
        return 0 if found is None else found.version

    def _apply(self, tenant_id: str, change: Change, found: Document | None) -> int:
        match change:
            case Put():
                version = 1 if found is None else found.version + 1
                body = copy.deepcopy(dict(change.body))
                self._documents[tenant_id, change.key] = Document(change.key, body, version, change.expires_at)
                return version
            case Delete():
                self._documents.pop((tenant_id, change.key), None)
        return 0

    def _live(self, tenant_id: str, key: str) -> Document | None:
        found = self._documents.get((tenant_id, key))
        expired = found is not None and found.expires_at is not None and found.expires_at <= self._now()
        return None if expired else found
