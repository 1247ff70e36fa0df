"""Usage: what a tenant used, by day."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from control_plane.api.asked import Services
from control_plane.api.wire import TenantId, refusals, told
from control_plane.services.usage import UsageReport, Used

router = APIRouter(prefix="/v1/tenants/{tenant_id}/usage", tags=["usage"])
_DEFAULT_DAYS = 30
_MS_PER_MINUTE = 60_000


class TalkTimeUsed(BaseModel):
    model_config = ConfigDict(frozen=True)

    caller: float
    agent: float


class Amounts(BaseModel):
    """What was used. Test calls are in every amount."""

    model_config = ConfigDict(frozen=True)

    calls: int
    test_calls: int
    failed_calls: int
    call_ms: float
    call_minutes: float = Field(description="call_ms in minutes, to a hundredth")
    talk_ms: TalkTimeUsed
    tool_calls: int
    slot_ms: float = Field(description="how long slots of the engine (GPUs) were held, spare ones included")


class UsageDay(Amounts):
    """One day in UTC; a call belongs to the day on which it was connected."""

    date: str = Field(examples=["2026-11-21"])


class UsageDetail(BaseModel):
    """Days with calls, oldest first, and their sum."""

    model_config = ConfigDict(frozen=True)

    object: Literal["usage"] = "usage"
    tenant_id: str
    first_day: str = Field(examples=["2026-11-01"])
    last_day: str = Field(examples=["2026-11-30"])
    total: Amounts
    days: tuple[UsageDay, ...]


@router.get("", operation_id="getUsage", response_model=UsageDetail, responses=refusals(404))
async def get_usage(
    tenant_id: TenantId,
    services: Services,
    from_: Annotated[date | None, Query(alias="from", description="first day; 30 days before the last one unless told")] = None,
    to: Annotated[date | None, Query(description="last day, included; today unless told")] = None,
) -> Response:
    """What finished calls used, by day: at most 366 days at once. Days without calls are left out."""
    last = to or services.usage.today()
    first = from_ or date.fromordinal(max(1, last.toordinal() - _DEFAULT_DAYS + 1))
    report = await services.usage.report(tenant_id, first, last)
    await services.tenants.check_known(tenant_id, report.days)
    return told(_detail(tenant_id, report))


def _detail(tenant_id: str, report: UsageReport) -> UsageDetail:
    return UsageDetail(
        tenant_id=tenant_id,
        first_day=report.first.isoformat(),
        last_day=report.last.isoformat(),
        total=_amounts(report.total),
        days=tuple(UsageDay(date=day.isoformat(), **_amounts(used).model_dump()) for day, used in report.days),
    )


def _amounts(used: Used) -> Amounts:
    return Amounts(
        calls=used.calls,
        test_calls=used.test_calls,
        failed_calls=used.failed_calls,
        call_ms=used.call_ms,
        call_minutes=round(used.call_ms / _MS_PER_MINUTE, 2),
        talk_ms=TalkTimeUsed(caller=used.caller_talk_ms, agent=used.agent_talk_ms),
        tool_calls=used.tool_calls,
        slot_ms=used.slot_ms,
    )
