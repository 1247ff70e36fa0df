"""Leads: the list, one, where a person stands with it, and all of them as CSV."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from control_plane.api.asked import Services
from control_plane.api.schemas import LeadChange, LeadDetail, LeadPage
from control_plane.api.wire import DEFAULT_LIMIT, MOST, Cursor, Limit, TenantId, refusals, told
from control_plane.services.lead_csv import leads_csv
from control_plane.services.leads import LeadFilter, TrackedLead
from nexus.domain.lead import LeadStatus

router = APIRouter(prefix="/v1/tenants/{tenant_id}/leads", tags=["leads"])
MOST_EXPORTED = 5_000
LeadId = Annotated[str, Path(examples=["lead_01KAQ2Z3M4N5P6Q7R8S9T0V1W2"])]


def where_of(
    outcome: Annotated[str, Query(max_length=100)] = "",
    follow_up_required: Annotated[bool | None, Query()] = None,
    lead_status: Annotated[LeadStatus | None, Query()] = None,
) -> LeadFilter:
    """The filter that the query asks for."""
    return LeadFilter(outcome, follow_up_required, lead_status)


Where = Annotated[LeadFilter, Depends(where_of)]


@router.get("", operation_id="listLeads", response_model=LeadPage, responses=refusals(404))
async def list_leads(tenant_id: TenantId, services: Services, where: Where, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = "") -> Response:
    """What finished calls were worth, newest call first.

    Filtered by ``lead_status``, a page may be shorter than asked for, or empty, while ``has_more`` says that there are more.
    """
    page = await services.leads.list(tenant_id, where, limit=limit, cursor=cursor)
    await services.tenants.check_known(tenant_id, page.data)
    data = tuple(_detail(lead) for lead in page.data)
    return told(LeadPage(data=data, has_more=page.next_cursor is not None, next_cursor=page.next_cursor))


@router.get(
    ":export",
    operation_id="exportLeads",
    response_class=Response,
    responses={200: {"description": "One line a lead", "content": {"text/csv": {"schema": {"type": "string"}}}}, **refusals(404)},
)
async def export_leads(tenant_id: TenantId, services: Services, where: Where, cursor: Cursor = "") -> Response:
    """Leads as CSV (RFC 4180), newest call first, at most 5,000 in one answer; ``X-Next-Cursor`` is there when there are more."""
    leads: list[TrackedLead] = []
    while len(leads) < MOST_EXPORTED:
        page = await services.leads.list(tenant_id, where, limit=MOST, cursor=cursor)
        leads += page.data
        cursor = page.next_cursor or ""
        if not cursor:
            break
    await services.tenants.check_known(tenant_id, leads)
    headers = {"Content-Disposition": f'attachment; filename="leads-{tenant_id}.csv"', **({"X-Next-Cursor": cursor} if cursor else {})}
    return Response(leads_csv(leads).encode(), media_type="text/csv; charset=utf-8; header=present", headers=headers)


@router.get("/{lead_id}", operation_id="getLead", response_model=LeadDetail, responses=refusals(404))
async def get_lead(tenant_id: TenantId, lead_id: LeadId, services: Services) -> Response:
    """One lead."""
    return told(_detail(await services.leads.get(tenant_id, lead_id)))


@router.patch("/{lead_id}", operation_id="updateLead", response_model=LeadDetail, responses=refusals(404, 413, 415))
async def update_lead(tenant_id: TenantId, lead_id: LeadId, body: LeadChange, services: Services) -> Response:
    """Note where a person stands with a lead. A new reading of the call leaves it as it is."""
    return told(_detail(await services.leads.move(tenant_id, lead_id, body.lead_status)))


def _detail(tracked: TrackedLead) -> LeadDetail:
    analysis = tracked.analysis
    return LeadDetail(
        id=analysis.lead_id,
        tenant_id=analysis.tenant_id,
        session_id=analysis.call_id,
        created_at=analysis.created_at,
        call_started_at=analysis.call_started_at,
        model=analysis.model,
        status=analysis.status,
        error=analysis.error,
        lead_status=tracked.status,
        reading=analysis.reading,
        lead=analysis.lead,
        evidence=analysis.evidence,
        fields=analysis.fields,
    )
