"""Audit events: who changed what, and who listened to what."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from control_plane.api.asked import Services
from control_plane.api.wire import DEFAULT_LIMIT, Cursor, Limit, Moment, TenantId, in_utc, refusals, told
from control_plane.services.audit import AuditEvent, AuditFilter
from control_plane.services.cursors import Page
from nexus.domain.tenancy import PLATFORM

router = APIRouter(tags=["audit"])


class Actor(BaseModel):
    """The credential that it was done with."""

    model_config = ConfigDict(frozen=True)

    kind: str = Field(examples=["api_key"], description="person, api_key, publishable_key or local")
    id: str = Field(examples=["key_01KAQ2Z3M4N5P6Q7R8S9T0V1W2"], description="the key's id, or the person's subject")


class AuditEventDetail(BaseModel):
    """One change that succeeded, or one recording whose address was given out."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(examples=["audit_01KAQ2Z3M4N5P6Q7R8S9T0V1W2"])
    object: Literal["audit_event"] = "audit_event"
    at: datetime
    actor: Actor
    operation: str = Field(examples=["publishConfig"], description="the operation id of openapi.json")
    object_id: str = Field(description="what was changed, or the call that was listened to; the tenant's id for what stands alone in it")
    request_id: str
    status: int = Field(description="the HTTP status of the answer")
    address_hash: str = Field(description="equal for equal addresses of one tenant's requests; the address itself is not kept")


class AuditEventPage(BaseModel):
    model_config = ConfigDict(frozen=True)

    data: tuple[AuditEventDetail, ...]
    has_more: bool
    next_cursor: str | None


def where_of(
    operation: Annotated[str, Query(max_length=100)] = "",
    actor_id: Annotated[str, Query(max_length=200)] = "",
    object_id: Annotated[str, Query(max_length=128)] = "",
    from_: Annotated[Moment, Query(alias="at[gte]", description="RFC 3339; without offset it is UTC")] = None,
    before: Annotated[Moment, Query(alias="at[lt]", description="RFC 3339; without offset it is UTC")] = None,
) -> AuditFilter:
    """The filter that the query asks for."""
    return AuditFilter(operation, actor_id, object_id, in_utc(from_), in_utc(before))


Where = Annotated[AuditFilter, Depends(where_of)]


@router.get("/v1/tenants/{tenant_id}/audit-events", operation_id="listAuditEvents", response_model=AuditEventPage, responses=refusals(404))
async def list_audit_events(
    tenant_id: TenantId, services: Services, where: Where, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = ""
) -> Response:
    """Every change to the tenant's things, and every recording whose address was given out (`getRecording`), newest first. A page may be
    short, and still has a next one while ``has_more`` says so."""
    page = await services.books.audit.list(tenant_id, where, limit=limit, cursor=cursor)
    await services.tenants.check_known(tenant_id, page.data)
    return told(_page(page))


@router.get("/v1/audit-events", operation_id="listPlatformAuditEvents", response_model=AuditEventPage, responses=refusals())
async def list_platform_audit_events(services: Services, where: Where, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = "") -> Response:
    """The operator's changes, newest first: tenants made, suspended, deleted."""
    return told(_page(await services.books.audit.list(PLATFORM, where, limit=limit, cursor=cursor)))


def _page(page: Page[AuditEvent]) -> AuditEventPage:
    return AuditEventPage(
        data=tuple(_detail(event) for event in page.data), has_more=page.next_cursor is not None, next_cursor=page.next_cursor
    )


def _detail(event: AuditEvent) -> AuditEventDetail:
    return AuditEventDetail(
        id=event.id,
        at=event.at,
        actor=Actor(kind=event.actor_kind, id=event.actor_id),
        operation=event.operation,
        object_id=event.object_id,
        request_id=event.request_id,
        status=event.status,
        address_hash=event.address_hash,
    )
