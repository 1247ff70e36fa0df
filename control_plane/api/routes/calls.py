"""Calls: order one, look at it, speak in it, end it."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from control_plane.api.asked import Services
from control_plane.api.guard import order_within_mode, principal_of, seen_within_mode
from control_plane.api.schemas import (
    CallBody,
    CallDetail,
    CallLimits,
    ConcurrentCalls,
    CreatedCall,
    InjectBody,
    LineDetail,
    SayBody,
    SocketDoor,
)
from control_plane.api.services import ApiServices
from control_plane.api.wire import CallId, TenantId, refusals, told
from control_plane.services.calls import CallRequest, OrderedCall
from nexus.domain.call import ORIGINAL_STATUS, RECORD_STATUS, CallEntry, Caller, LineOrder

router = APIRouter(prefix="/v1/tenants/{tenant_id}/calls", tags=["calls"])
IdempotencyKey = Annotated[str, Header(alias="Idempotency-Key", description="required: the same value for the same call, a fresh one else")]


@router.post("", operation_id="createCall", status_code=201, response_model=CreatedCall, responses=refusals(404, 409, 413, 415, 429))
async def create_call(tenant_id: TenantId, body: CallBody, request: Request, services: Services, key: IdempotencyKey = "") -> Response:
    """Reserve a call and get the ticket that opens its socket.

    Until the call is connected, the same request with the same ``Idempotency-Key`` gives the same call with a fresh ticket, and spends
    the ticket before it.
    """
    order_within_mode(request, test=body.test)
    ordered = await services.calls.create(tenant_id, _request(body, key))
    base = services.policy.media_url or _same_host(request)
    return told(_created(ordered, base), status=201, headers={"Location": f"/v1/tenants/{tenant_id}/calls/{ordered.entry.call_id}"})


@router.get("/{call_id}", operation_id="getCall", response_model=CallDetail, responses=refusals(404))
async def get_call(tenant_id: TenantId, call_id: CallId, request: Request, services: Services) -> Response:
    """A call that waits, lives or has ended. Its session appears when it is archived."""
    entry = await services.calls.get(tenant_id, call_id)
    seen_within_mode(request, test=entry.order.test, missing="call_not_found")
    return told(_detail(entry, services.policy.now()))


@router.post("/{call_id}:end", operation_id="endCall", status_code=202, response_model=CallDetail, responses=refusals(404))
async def end_call(tenant_id: TenantId, call_id: CallId, request: Request, services: Services) -> Response:
    """Ask for the end of a call: one that is not connected yet has ended with the answer, a living one ends within seconds.

    Asking again is harmless.
    """
    await _check_mode(request, services, tenant_id, call_id)
    return told(_detail(await services.calls.end(tenant_id, call_id), services.policy.now()), status=202)


@router.post(
    "/{call_id}:say", operation_id="sayInCall", status_code=202, response_model=LineDetail, responses=refusals(404, 409, 413, 415, 429)
)
async def say_in_call(tenant_id: TenantId, call_id: CallId, body: SayBody, request: Request, services: Services) -> Response:
    """Have the agent say a line in a living call, in its own voice. While it thinks, its answer comes first."""
    await _check_mode(request, services, tenant_id, call_id)
    return _left(call_id, await services.lines.order(tenant_id, call_id, "say", body.text, body.mode))


@router.post(
    "/{call_id}:inject",
    operation_id="injectIntoCall",
    status_code=202,
    response_model=LineDetail,
    responses=refusals(404, 409, 413, 415, 429),
)
async def inject_into_call(tenant_id: TenantId, call_id: CallId, body: InjectBody, request: Request, services: Services) -> Response:
    """Tell the agent of a living call something that it uses from its next answer on."""
    await _check_mode(request, services, tenant_id, call_id)
    return _left(call_id, await services.lines.order(tenant_id, call_id, "inject", body.text))


async def _check_mode(request: Request, services: ApiServices, tenant_id: str, call_id: str) -> None:
    """A key of test mode touches test calls only."""
    if principal_of(request).test:
        entry = await services.calls.get(tenant_id, call_id)
        seen_within_mode(request, test=entry.order.test, missing="call_not_found")


def _left(call_id: str, order: LineOrder) -> Response:
    return told(LineDetail(id=order.order_id, call_id=call_id, kind=order.kind, mode=order.mode), status=202)


def _request(body: CallBody, key: str) -> CallRequest:
    return CallRequest(
        idempotency_key=key,
        body_hash=hashlib.sha256(body.model_dump_json().encode()).hexdigest(),
        caller=Caller(phone=body.caller.phone, name=body.caller.name, external_id=body.caller.external_id),
        metadata=tuple(sorted(body.metadata.items())),
        max_duration_s=body.max_duration_s,
        test=body.test,
        recording=body.recording,
    )


def _same_host(request: Request) -> str:
    scheme = "wss" if request.url.scheme == "https" else "ws"
    return f"{scheme}://{request.headers.get('host', request.url.netloc)}"


def _created(ordered: OrderedCall, base: str) -> CreatedCall:
    entry = ordered.entry
    door = SocketDoor(url=f"{base.rstrip('/')}/v1/calls/{entry.call_id}", ticket=ordered.ticket, expires_at=ordered.expires_at)
    calls = ConcurrentCalls(used=entry.seats_used, max=ordered.concurrent_calls)
    limits = CallLimits(concurrent_calls=calls, max_duration_s=ordered.max_duration_s)
    return CreatedCall(
        id=entry.call_id,
        tenant_id=entry.order.tenant_id,
        config_version=entry.order.config_version,
        config_hash=entry.order.config_hash,
        engine=ordered.engine,
        websocket=door,
        limits=limits,
        created_at=entry.created_at,
        metadata=entry.order.metadata,
        test=entry.order.test,
    )


def _detail(entry: CallEntry, now: datetime) -> CallDetail:
    return CallDetail(
        id=entry.call_id,
        status=_status(entry, now),
        tenant_id=entry.order.tenant_id,
        config_version=entry.order.config_version,
        config_hash=entry.order.config_hash,
        created_at=entry.created_at,
        max_duration_s=entry.order.max_duration_s,
        end_requested=entry.end_requested,
        end_reason=entry.end_reason,
        metadata=entry.order.metadata,
        test=entry.order.test,
    )


def _status(entry: CallEntry, now: datetime) -> str:
    if entry.state == "ended" and entry.end_reason is not None:
        return RECORD_STATUS[ORIGINAL_STATUS[entry.end_reason]]
    if entry.state == "ready" and entry.lease_expires_at <= now:
        return "abandoned"
    return "completed" if entry.state == "ended" else entry.state
