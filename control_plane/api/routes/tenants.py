"""Tenants: the list, and one."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from control_plane.api.schemas import TenantDetail, TenantItem, TenantPage
from control_plane.api.services import Services
from control_plane.api.wire import TenantId, refusals, told
from control_plane.services.tenants import TenantSummary
from nexus.domain.tenant import TenantConfig

router = APIRouter(prefix="/v1/tenants", tags=["tenants"])


@router.get("", operation_id="listTenants", response_model=TenantPage, responses=refusals())
async def list_tenants(services: Services) -> Response:
    """Every tenant by id, in one page; those with a faulty configuration too."""
    summaries = await services.tenants.list()
    return told(TenantPage(data=tuple(_item(each) for each in summaries), has_more=False, next_cursor=None))


@router.get("/{tenant_id}", operation_id="getTenant", response_model=TenantDetail, responses=refusals(404))
async def get_tenant(tenant_id: TenantId, services: Services) -> Response:
    """One tenant. A faulty configuration is answered with ``invalid_config`` and all its faults."""
    return told(_detail(await services.tenants.get(tenant_id)))


def _item(summary: TenantSummary) -> TenantItem:
    config = summary.config
    if config is None:
        return TenantItem(id=summary.tenant_id, name=summary.tenant_id, status="broken", faults=summary.faults)
    return TenantItem(id=config.tenant_id, name=config.name or config.tenant_id, status="active", config_hash=config.config_hash)


def _detail(config: TenantConfig) -> TenantDetail:
    return TenantDetail(
        id=config.tenant_id,
        name=config.name or config.tenant_id,
        config_hash=config.config_hash,
        timezone=config.timezone,
        greeting=config.greeting,
        first_speaker=config.first_speaker,
        voice_settings=config.voice_settings,
        enabled_tools=config.enabled_tools,
        barge_in=config.barge_in,
        limits=config.limits,
        recording=config.recording,
        has_knowledge_base=bool(config.knowledge_base),
    )
