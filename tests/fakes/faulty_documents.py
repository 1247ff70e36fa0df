"""A document store that fails, or lets others in between, when a test says so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nexus.errors import NexusError
from nexus.ports.documents import Change, Document, DocumentStore


class FaultyDocuments:
    """Passes everything on to ``documents``; while ``failure`` is set, reading and writing raise it. ``before_write`` runs once, first."""

    def __init__(self, documents: DocumentStore) -> None:
        self.documents = documents
        self.failure: NexusError | None = None
        self.before_write: Callable[[], Awaitable[object]] | None = None
        self.requests = 0

    async def get(self, tenant_id: str, key: str) -> Document | None:
        self._asked()
        return await self.documents.get(tenant_id, key)

    async def list(self, tenant_id: str, prefix: str, *, limit: int, after: str = "", newest_first: bool = False) -> tuple[Document, ...]:
        self._asked()
        return await self.documents.list(tenant_id, prefix, limit=limit, after=after, newest_first=newest_first)

    async def write(self, tenant_id: str, *changes: Change) -> tuple[int, ...]:
        self._asked()
        if self.before_write is not None:
            first, self.before_write = self.before_write, None
            await first()
        return await self.documents.write(tenant_id, *changes)

    def _asked(self) -> None:
        self.requests += 1
        if self.failure is not None:
            raise self.failure
