"""Finished calls, their index and their leads, in memory."""

from __future__ import annotations

from datetime import datetime

from nexus.adapters.rules import matches
from nexus.domain.lead import Analysis
from nexus.domain.session import PrivateTranscript, SessionRecord, SessionRow
from nexus.errors import NotFound
from nexus.ports.sessions import SessionFilter


class MemorySessionArchive:
    def __init__(self) -> None:
        self._records: dict[tuple[str, str], SessionRecord] = {}
        self._private: dict[tuple[str, str], PrivateTranscript] = {}

    async def put(self, record: SessionRecord, private: PrivateTranscript) -> None:
        key = (record.tenant_id, record.id)
        if key not in self._records:
            self._private[key] = private
            self._records[key] = record

    async def get(self, tenant_id: str, call_id: str) -> SessionRecord:
        try:
            return self._records[tenant_id, call_id]
        except KeyError as error:
            raise NotFound("session_not_found", "There is no such session.") from error

    async def get_private(self, tenant_id: str, call_id: str) -> PrivateTranscript | None:
        return self._private.get((tenant_id, call_id))

    async def list_calls(self, tenant_id: str) -> tuple[str, ...]:
        return tuple(sorted(call for tenant, call in self._records if tenant == tenant_id))

    async def delete_expired(self, now: datetime) -> int:
        expired = [key for key, private in self._private.items() if private.delete_after <= now]
        for key in expired:
            del self._private[key]
        return len(expired)

    async def erase_tenant(self, tenant_id: str) -> bool:
        for kept in (self._private, self._records):
            for key in [key for key in kept if key[0] == tenant_id]:
                kept.pop(key, None)
        return True


class MemorySessionIndex:
    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], SessionRow] = {}

    async def put(self, row: SessionRow) -> None:
        self._rows[row.tenant_id, row.call_id] = row

    async def list(self, tenant_id: str, where: SessionFilter, *, limit: int, before: str = "") -> tuple[SessionRow, ...]:
        rows = sorted((row for (tenant, _), row in self._rows.items() if tenant == tenant_id), key=lambda row: row.call_id, reverse=True)
        return tuple(row for row in rows if (not before or row.call_id < before) and matches(row, where))[:limit]

    async def has(self, tenant_id: str, call_id: str) -> bool:
        return (tenant_id, call_id) in self._rows

    async def erase_tenant(self, tenant_id: str) -> bool:
        for key in [key for key in self._rows if key[0] == tenant_id]:
            del self._rows[key]
        return True


class MemoryLeadStore:
    def __init__(self) -> None:
        self._analyses: dict[tuple[str, str], Analysis] = {}

    async def put(self, analysis: Analysis) -> None:
        self._analyses[analysis.tenant_id, analysis.call_id] = analysis

    async def get(self, tenant_id: str, call_id: str) -> Analysis | None:
        return self._analyses.get((tenant_id, call_id))

    async def list(
        self, tenant_id: str, *, limit: int, before: str = "", outcome: str = "", follow_up: bool | None = None
    ) -> tuple[Analysis, ...]:
        found = sorted(
            (one for (tenant, _), one in self._analyses.items() if tenant == tenant_id), key=lambda one: one.call_id, reverse=True
        )
        return tuple(
            one
            for one in found
            if (not before or one.call_id < before)
            and (not outcome or one.lead.call_outcome == outcome)
            and (follow_up is None or one.lead.follow_up_required == follow_up)
        )[:limit]

    async def erase_tenant(self, tenant_id: str) -> bool:
        for key in [key for key in self._analyses if key[0] == tenant_id]:
            del self._analyses[key]
        return True
