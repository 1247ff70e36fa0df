"""Tools' stores and effects in SQLite."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from nexus.adapters.sqlite.database import Database
from nexus.errors import Conflict
from nexus.ports.tools import Effect
from nexus.tools import Stored


class SqliteToolStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, tenant_id: str, key: str) -> Stored | None:
        query = "SELECT value, version FROM tool_values WHERE tenant_id = ? AND key = ?"
        found = await self._database.read(lambda db: db.execute(query, (tenant_id, key)).fetchone())
        return None if found is None else Stored(key, json.loads(found[0]), found[1])

    async def put(self, tenant_id: str, key: str, value: Any, *, new_only: bool = False) -> Stored:
        text = json.dumps(value)

        def write(db: sqlite3.Connection) -> int:
            found = db.execute("SELECT version FROM tool_values WHERE tenant_id = ? AND key = ?", (tenant_id, key)).fetchone()
            if new_only and found is not None:
                raise Conflict("conflict", f"{key!r} is written already.")
            version = 1 if found is None else int(found[0]) + 1
            db.execute("INSERT OR REPLACE INTO tool_values VALUES (?, ?, ?, ?)", (tenant_id, key, text, version))
            return version

        return Stored(key, value, await self._database.write(write))

    async def list(self, tenant_id: str, prefix: str) -> tuple[Stored, ...]:
        query = "SELECT key, value, version FROM tool_values WHERE tenant_id = ? AND substr(key, 1, ?) = ? ORDER BY key LIMIT 1000"
        rows = await self._database.read(lambda db: db.execute(query, (tenant_id, len(prefix), prefix)).fetchall())
        return tuple(Stored(key, json.loads(text), version) for key, text, version in rows)

    async def delete(self, tenant_id: str, key: str) -> None:
        await self._database.write(lambda db: db.execute("DELETE FROM tool_values WHERE tenant_id = ? AND key = ?", (tenant_id, key)))

    async def erase_tenant(self, tenant_id: str) -> bool:
        await self._database.write(lambda db: db.execute("DELETE FROM tool_values WHERE tenant_id = ?", (tenant_id,)))
        return True


class SqliteEffectLog:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, tenant_id: str, call_id: str, effect_id: str, tool: str) -> Effect:
        key = (tenant_id, call_id, effect_id)

        def write(db: sqlite3.Connection) -> Effect:
            query = "SELECT state, output, failed FROM effects WHERE tenant_id = ? AND call_id = ? AND effect_id = ?"
            found = db.execute(query, key).fetchone()
            if found is None:
                db.execute("INSERT INTO effects VALUES (?, ?, ?, ?, 'pending', '', 0)", (*key, tool))
                return Effect("new")
            return Effect(found[0], found[1], bool(found[2]))

        return await self._database.write(write)

    async def finish(self, tenant_id: str, call_id: str, effect_id: str, *, output: str, failed: bool = False) -> None:
        statement = (
            "INSERT INTO effects VALUES (?, ?, ?, '', 'done', ?, ?)"
            " ON CONFLICT DO UPDATE SET state = 'done', output = excluded.output, failed = excluded.failed"
        )
        await self._database.write(lambda db: db.execute(statement, (tenant_id, call_id, effect_id, output, failed)))

    async def forget(self, tenant_id: str, call_id: str, effect_id: str) -> None:
        statement = "DELETE FROM effects WHERE tenant_id = ? AND call_id = ? AND effect_id = ?"
        await self._database.write(lambda db: db.execute(statement, (tenant_id, call_id, effect_id)))

    async def erase_tenant(self, tenant_id: str) -> bool:
        await self._database.write(lambda db: db.execute("DELETE FROM effects WHERE tenant_id = ?", (tenant_id,)))
        return True
