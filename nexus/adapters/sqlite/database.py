"""The SQLite file: schema, migrations and transactions.

**Source:** sqlite.org, "Write-Ahead Logging" and "User-defined version".
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from nexus.errors import Unavailable

Result = TypeVar("Result")
_BUSY_MS = 10_000

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE sessions (tenant_id TEXT NOT NULL, call_id TEXT NOT NULL, row TEXT NOT NULL,
                           PRIMARY KEY (tenant_id, call_id)) WITHOUT ROWID;
    CREATE TABLE analyses (tenant_id TEXT NOT NULL, call_id TEXT NOT NULL, outcome TEXT NOT NULL, follow_up INTEGER NOT NULL,
                           body TEXT NOT NULL, PRIMARY KEY (tenant_id, call_id)) WITHOUT ROWID;
    CREATE TABLE tool_values (tenant_id TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, version INTEGER NOT NULL,
                              PRIMARY KEY (tenant_id, key)) WITHOUT ROWID;
    CREATE TABLE effects (tenant_id TEXT NOT NULL, call_id TEXT NOT NULL, effect_id TEXT NOT NULL, tool TEXT NOT NULL,
                          state TEXT NOT NULL, output TEXT NOT NULL, failed INTEGER NOT NULL,
                          PRIMARY KEY (tenant_id, call_id, effect_id)) WITHOUT ROWID;
    CREATE TABLE processes (process_id TEXT PRIMARY KEY, body TEXT NOT NULL, seen_at REAL NOT NULL) WITHOUT ROWID;
    CREATE TABLE calls (call_id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, idempotency_key TEXT NOT NULL, state TEXT NOT NULL,
                        process_id TEXT NOT NULL, lease_expires_at REAL NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
    CREATE INDEX calls_open ON calls (state, process_id) WHERE state <> 'ended';
    CREATE INDEX calls_by_key ON calls (tenant_id, idempotency_key) WHERE idempotency_key <> '';
    """,
    """
    CREATE TABLE documents (tenant_id TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, version INTEGER NOT NULL, expires_at REAL,
                            PRIMARY KEY (tenant_id, key)) WITHOUT ROWID;
    """,
)
"""Each entry takes the schema one version up; entries are never changed once released."""


class Database:
    """One file, one connection a thread; every transaction runs in a worker thread.

    Args:
        path: made with mode 600 when it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._ready = threading.Lock()
        self._writing = threading.Lock()
        self._migrated = False

    async def write(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run ``work`` in a transaction that excludes every other writer; its exception rolls back. Raises Unavailable."""
        return await asyncio.shield(asyncio.to_thread(self._write, work))

    async def read(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run ``work`` on one consistent view. Raises Unavailable."""
        return await asyncio.to_thread(self._transaction, work, "BEGIN")

    def _write(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Threads of this process queue here, in SQLite they would sleep and try again; other processes still meet there."""
        if not self._writing.acquire(timeout=_BUSY_MS / 1000):
            raise Unavailable("store_unavailable", f"{self._path}: too many writers wait. Check the disk's speed and other processes.")
        try:
            return self._transaction(work, "BEGIN IMMEDIATE")
        finally:
            self._writing.release()

    def _transaction(self, work: Callable[[sqlite3.Connection], Result], begin: str) -> Result:
        try:
            connection = self._connection()
            connection.execute(begin)
            try:
                result = work(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk has rolled back by itself, and may come as late as COMMIT
                    connection.execute("ROLLBACK")
                raise
        except (sqlite3.DatabaseError, OSError) as error:
            raise Unavailable("store_unavailable", f"{self._path}: {error}. Check free disk space, the file's owner and mode.") from error
        return result

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._open()
        return connection

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._ready:
            self._make_private()
        connection = sqlite3.connect(self._path, timeout=_BUSY_MS / 1000, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        with self._ready:
            if not self._migrated:
                _migrate(connection)
                self._migrated = True
        return connection

    def _make_private(self) -> None:
        """Make the file with mode 600 when it is not there. One that exists is not opened: closing it would drop this process's locks
        on it, and another process could then delete the log that is being written (sqlite.org, "How To Corrupt", 2.2)."""
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            self._path.chmod(0o600)


def _migrate(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > len(MIGRATIONS):
            raise sqlite3.DatabaseError(f"the file is from a newer release (schema {version}); upgrade, or use another DATA_DIR")
        for script in MIGRATIONS[version:]:
            for statement in filter(None, (part.strip() for part in script.split(";"))):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
