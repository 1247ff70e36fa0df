"""Failed items: finished calls of which a step after the call failed for good, and doing it again."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from control_plane.api.asked import Services
from control_plane.api.wire import TenantId, refusals, told
from control_plane.services.progress import Step

router = APIRouter(prefix="/v1/tenants/{tenant_id}/failed-items", tags=["sessions"])


class FailedItem(BaseModel):
    """A call whose step failed for good."""

    model_config = ConfigDict(frozen=True)

    object: Literal["failed_item"] = "failed_item"
    session_id: str
    step: Step
    code: str
    detail: str
    failed_at: datetime


class FailedItemPage(BaseModel):
    model_config = ConfigDict(frozen=True)

    data: tuple[FailedItem, ...]
    has_more: bool
    next_cursor: str | None


class RedriveBody(BaseModel):
    """Which to do again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    session_id: str = Field(default="", max_length=64, description="only this one; empty: all of them")


class Redriven(BaseModel):
    model_config = ConfigDict(frozen=True)

    object: Literal["redrive"] = "redrive"
    session_ids: tuple[str, ...]


@router.get("", operation_id="listFailedItems", response_model=FailedItemPage, responses=refusals(404))
async def list_failed_items(tenant_id: TenantId, services: Services) -> Response:
    """What failed for good after calls of the tenant, oldest call first, at most 500."""
    items = await services.after_call.failures(tenant_id)
    await services.tenants.check_known(tenant_id, items)
    data = tuple(
        FailedItem(
            session_id=item.call_id, step=item.failure.step, code=item.failure.code, detail=item.failure.message, failed_at=item.failed_at
        )
        for item in items
    )
    return told(FailedItemPage(data=data, has_more=False, next_cursor=None))


@router.post(":redrive", operation_id="redriveFailedItems", status_code=202, response_model=Redriven, responses=refusals(404, 413, 415))
async def redrive(tenant_id: TenantId, body: RedriveBody, services: Services) -> Response:
    """Begin failed items again where they failed. Which they were."""
    redriven = await services.after_call.redrive(tenant_id, body.session_id)
    await services.tenants.check_known(tenant_id, redriven)
    return told(Redriven(session_ids=redriven), status=202)
