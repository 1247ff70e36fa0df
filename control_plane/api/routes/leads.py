"""Leads: the list, and one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from control_plane.api.schemas import LeadDetail, LeadPage
from control_plane.api.services import Services
from control_plane.api.wire import DEFAULT_LIMIT, Cursor, Limit, TenantId, refusals, told
from nexus.domain.lead import Analysis

router = APIRouter(prefix="/v1/tenants/{tenant_id}/leads", tags=["leads"])


@router.get("", operation_id="listLeads", response_model=LeadPage, responses=refusals())
async def list_leads(
    tenant_id: TenantId,
    services: Services,
    outcome: Annotated[str, Query(max_length=100)] = "",
    follow_up_required: Annotated[bool | None, Query()] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
) -> Response:
    """What finished calls were worth, newest call first."""
    page = await services.leads.list(tenant_id, outcome=outcome, follow_up=follow_up_required, limit=limit, cursor=cursor)
    data = tuple(_detail(analysis) for analysis in page.data)
    return told(LeadPage(data=data, has_more=page.next_cursor is not None, next_cursor=page.next_cursor))


@router.get("/{lead_id}", operation_id="getLead", response_model=LeadDetail, responses=refusals(404))
async def get_lead(
    tenant_id: TenantId, lead_id: Annotated[str, Path(examples=["lead_01KAQ2Z3M4N5P6Q7R8S9T0V1W2"])], services: Services
) -> Response:
    """One lead."""
    return told(_detail(await services.leads.get(tenant_id, lead_id)))


def _detail(analysis: Analysis) -> LeadDetail:
    return LeadDetail(
        id=analysis.lead_id,
        tenant_id=analysis.tenant_id,
        session_id=analysis.call_id,
        created_at=analysis.created_at,
        call_started_at=analysis.call_started_at,
        model=analysis.model,
        status=analysis.status,
        error=analysis.error,
        lead=analysis.lead,
    )
