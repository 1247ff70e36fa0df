"""Small JSON documents by tenant and key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON object of one tenant. ``version`` grows with each write; after ``expires_at`` it is as good as gone."""

    key: str
    body: Mapping[str, Any]
    version: int
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Put:
    """Write a document. ``expected``: the version it must have (0: it must not exist; None: whatever it is)."""

    key: str
    body: Mapping[str, Any]
    expected: int | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a document; without ``expected`` silent where none is."""

    key: str
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class Expect:
    """Write nothing, but the document must have this version (0: it must not exist)."""

    key: str
    expected: int


Change = Put | Delete | Expect


MOST_CHANGES = 25


class DocumentStore(Protocol):
    """Small JSON documents by tenant and key: configurations, keys, webhooks, jobs. Keys are ``kind/id`` paths of printable ASCII.

    A body has at most 300 KB as JSON. A document past its ``expires_at`` is given by no method and counts as missing.
    """

    async def get(self, tenant_id: str, key: str) -> Document | None:
        """The document, consistently read; None where none is."""
        ...

    async def list(self, tenant_id: str, prefix: str, *, limit: int, after: str = "", newest_first: bool = False) -> tuple[Document, ...]:
        """Documents whose key begins with ``prefix``, by key (``newest_first``: backwards), beyond the key ``after`` where one is given."""
        ...

    async def write(self, tenant_id: str, *changes: Change) -> tuple[int, ...]:
        """All changes (at most 25, each of another key) or none, in one transaction; the versions they made (0 for a deletion or check).

        Raises:
            Conflict: ``conflict``, an expected version does not hold.
        """
        ...
