"""Documents in SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime

from nexus.adapters.rules import check_changes, check_expected
from nexus.adapters.sqlite.database import Database
from nexus.ports.documents import Change, Delete, Document, Put

_COLUMNS = "SELECT key, body, version, expires_at FROM documents WHERE tenant_id = ?"
_LIVE = " AND (expires_at IS NULL OR expires_at > ?)"


class SqliteDocumentStore:
    """Args: ``now``: what expiry is held against."""

    def __init__(self, database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._now = now

    async def get(self, tenant_id: str, key: str) -> Document | None:
        now = self._now().timestamp()
        return await self._database.read(lambda db: read_document(db, tenant_id, key, now))

    async def list(self, tenant_id: str, prefix: str, *, limit: int, after: str = "", newest_first: bool = False) -> tuple[Document, ...]:
        beyond = "" if not after else f" AND key {'<' if newest_first else '>'} ?"
        order = "DESC" if newest_first else "ASC"
        query = f"{_COLUMNS} AND substr(key, 1, ?) = ?{_LIVE}{beyond} ORDER BY key {order} LIMIT ?"
        values = (tenant_id, len(prefix), prefix, self._now().timestamp(), *([after] if after else []), limit)
        rows = await self._database.read(lambda db: db.execute(query, values).fetchall())
        return tuple(_document(row) for row in rows)

    async def write(self, tenant_id: str, *changes: Change) -> tuple[int, ...]:
        check_changes(changes)
        now = self._now().timestamp()

        def work(db: sqlite3.Connection) -> tuple[int, ...]:
            before = [read_document(db, tenant_id, change.key, now) for change in changes]
            for change, found in zip(changes, before, strict=True):
                check_expected(change, found)
            return tuple(_apply(db, tenant_id, change, found) for change, found in zip(changes, before, strict=True))

        return await self._database.write(work)


def read_document(db: sqlite3.Connection, tenant_id: str, key: str, now: float) -> Document | None:
    """One document in a transaction that is under way; None where it is not or has expired."""
    row = db.execute(f"{_COLUMNS} AND key = ?{_LIVE}", (tenant_id, key, now)).fetchone()
    return None if row is None else _document(row)


def _document(row: tuple[str, str, int, float | None]) -> Document:
    key, body, version, expires = row
    return Document(key, json.loads(body), version, None if expires is None else datetime.fromtimestamp(expires, UTC))


def _apply(db: sqlite3.Connection, tenant_id: str, change: Change, found: Document | None) -> int:
    match change:
        case Put():
            version = 1 if found is None else found.version + 1
            expires = None if change.expires_at is None else change.expires_at.timestamp()
            values = (tenant_id, change.key, json.dumps(change.body), version, expires)
            db.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?)", values)
            return version
        case Delete():
            db.execute("DELETE FROM documents WHERE tenant_id = ? AND key = ?", (tenant_id, change.key))
    return 0
