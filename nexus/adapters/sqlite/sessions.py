"""The session index and the leads in SQLite."""

from __future__ import annotations

import sqlite3
from itertools import islice

from nexus.adapters.rules import matches
from nexus.adapters.sqlite.database import Database
from nexus.domain.lead import Analysis
from nexus.domain.session import SessionRow
from nexus.ports.sessions import SessionFilter

_AFTER_ALL_IDS = "~"


class SqliteSessionIndex:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, row: SessionRow) -> None:
        values = (row.tenant_id, row.call_id, row.model_dump_json())
        await self._database.write(lambda db: db.execute("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?)", values))

    async def list(self, tenant_id: str, where: SessionFilter, *, limit: int, before: str = "") -> tuple[SessionRow, ...]:
        """Filters are applied while reading backwards, so a page reads no further than it must."""
        query = "SELECT row FROM sessions WHERE tenant_id = ? AND call_id < ? ORDER BY call_id DESC"

        def page(db: sqlite3.Connection) -> tuple[SessionRow, ...]:
            rows = (
                SessionRow.model_validate_json(text, extra="ignore") for (text,) in db.execute(query, (tenant_id, before or _AFTER_ALL_IDS))
            )
            return tuple(islice((row for row in rows if matches(row, where)), limit))

        return await self._database.read(page)

    async def has(self, tenant_id: str, call_id: str) -> bool:
        query = "SELECT 1 FROM sessions WHERE tenant_id = ? AND call_id = ?"
        return await self._database.read(lambda db: db.execute(query, (tenant_id, call_id)).fetchone() is not None)

    async def erase_tenant(self, tenant_id: str) -> bool:
        await self._database.write(lambda db: db.execute("DELETE FROM sessions WHERE tenant_id = ?", (tenant_id,)))
        return True


class SqliteLeadStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, analysis: Analysis) -> None:
        lead = analysis.lead
        values = (analysis.tenant_id, analysis.call_id, lead.call_outcome, lead.follow_up_required, analysis.model_dump_json())
        await self._database.write(lambda db: db.execute("INSERT OR REPLACE INTO analyses VALUES (?, ?, ?, ?, ?)", values))

    async def get(self, tenant_id: str, call_id: str) -> Analysis | None:
        query = "SELECT body FROM analyses WHERE tenant_id = ? AND call_id = ?"
        found = await self._database.read(lambda db: db.execute(query, (tenant_id, call_id)).fetchone())
        return None if found is None else Analysis.model_validate_json(found[0], extra="ignore")

    async def list(
        self, tenant_id: str, *, limit: int, before: str = "", outcome: str = "", follow_up: bool | None = None
    ) -> tuple[Analysis, ...]:
        query = (
            "SELECT body FROM analyses WHERE tenant_id = ? AND call_id < ? AND (? = '' OR outcome = ?) AND (? IS NULL OR follow_up = ?)"
            " ORDER BY call_id DESC LIMIT ?"
        )
        values = (tenant_id, before or _AFTER_ALL_IDS, outcome, outcome, follow_up, follow_up, limit)
        rows = await self._database.read(lambda db: db.execute(query, values).fetchall())
        return tuple(Analysis.model_validate_json(text, extra="ignore") for (text,) in rows)

    async def erase_tenant(self, tenant_id: str) -> bool:
        await self._database.write(lambda db: db.execute("DELETE FROM analyses WHERE tenant_id = ?", (tenant_id,)))
        return True
