"""The session index and the leads in DynamoDB, newest first by call id."""

from __future__ import annotations

from nexus.adapters.aws import bodies, keys
from nexus.adapters.aws.items import item
from nexus.adapters.aws.keys import TenantContext
from nexus.adapters.aws.table import Range, Table
from nexus.adapters.rules import matches
from nexus.domain.lead import Analysis
from nexus.domain.session import SessionRow
from nexus.ports.sessions import SessionFilter

_FILTERED_PAGE = 200
"""How many items one request reads where not each of them is wanted."""


class DynamoSessionIndex:
    """Listing by status reads the index; every other filter is applied to what is read, page by page, until enough is found."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def put(self, row: SessionRow) -> None:
        of = TenantContext(row.tenant_id)
        await self._table.put(
            item(keys.session(of, row.call_id), ipk=keys.sessions_of_status(of, row.status), isk=row.call_id, body=row.model_dump_json())
        )

    async def list(self, tenant_id: str, where: SessionFilter, *, limit: int, before: str = "") -> tuple[SessionRow, ...]:
        of = TenantContext(tenant_id)
        page = limit if where in (SessionFilter(), SessionFilter(status=where.status)) else max(limit, _FILTERED_PAGE)
        pk = keys.sessions(of) if where.status is None else keys.sessions_of_status(of, where.status)
        rows: list[SessionRow] = []
        async for found in self._table.query(Range(pk, below=before, backwards=True, index=where.status is not None, page=page)):
            row = bodies.read(SessionRow, found)
            if len(rows) < limit and matches(row, where):
                rows.append(row)
            if len(rows) >= limit:
                break
        return tuple(rows)

    async def has(self, tenant_id: str, call_id: str) -> bool:
        return await self._table.get(keys.session(TenantContext(tenant_id), call_id)) is not None

    async def erase_tenant(self, tenant_id: str) -> bool:
        await self._table.erase(keys.sessions(TenantContext(tenant_id)))
        return True


class DynamoLeadStore:
    """Listing by outcome reads the index."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def put(self, analysis: Analysis) -> None:
        of = TenantContext(analysis.tenant_id)
        await self._table.put(
            item(
                keys.lead(of, analysis.call_id),
                ipk=keys.leads_of_outcome(of, analysis.lead.call_outcome),
                isk=analysis.call_id,
                body=analysis.model_dump_json(),
            )
        )

    async def get(self, tenant_id: str, call_id: str) -> Analysis | None:
        found = await self._table.get(keys.lead(TenantContext(tenant_id), call_id))
        return None if found is None else bodies.read(Analysis, found)

    async def list(
        self, tenant_id: str, *, limit: int, before: str = "", outcome: str = "", follow_up: bool | None = None
    ) -> tuple[Analysis, ...]:
        of = TenantContext(tenant_id)
        pk = keys.leads_of_outcome(of, outcome) if outcome else keys.leads(of)
        page = limit if follow_up is None else max(limit, _FILTERED_PAGE)
        analyses: list[Analysis] = []
        async for found in self._table.query(Range(pk, below=before, backwards=True, index=bool(outcome), page=page)):
            one = bodies.read(Analysis, found)
            wanted = (not outcome or one.lead.call_outcome == outcome) and (follow_up is None or one.lead.follow_up_required == follow_up)
            if len(analyses) < limit and wanted:
                analyses.append(one)
            if len(analyses) >= limit:
                break
        return tuple(analyses)

    async def erase_tenant(self, tenant_id: str) -> bool:
        await self._table.erase(keys.leads(TenantContext(tenant_id)))
        return True
