"""Text conversations with a tenant's agent, and the original's ``/init-session``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from control_plane.api.asked import Services
from control_plane.api.guard import entered
from control_plane.api.schemas import (
    ConversationBody,
    ConversationDetail,
    InitSessionAnswer,
    InitSessionBody,
    MessageAnswer,
    MessageBody,
    ToolTold,
)
from control_plane.api.wire import TenantId, refusals, told
from nexus.context import current
from nexus.domain.session import ToolUse

router = APIRouter(tags=["conversations"])
_CONVERSATIONS = "/v1/tenants/{tenant_id}/conversations"
ConversationId = Annotated[str, Path(max_length=64, description="the id that opening gave")]


@router.post("/init-session", operation_id="initSession", response_model=InitSessionAnswer, responses=refusals(404, 413, 415, 429))
async def init_session(body: InitSessionBody, request: Request, services: Services) -> Response:
    """Begin a text conversation, as the original did. It goes on at ``/v1/tenants/{tenant_id}/conversations/{session_id}/messages``."""
    with entered(request, body.tenant_id):
        started = await services.conversations.open(body.tenant_id, body.customer_phone)
    return told(
        InitSessionAnswer(
            request_id=current().request_id,
            session_id=started.opened.conversation_id,
            tenant_id=started.tenant_id,
            active_tools=started.opened.tools,
            greeting=started.opened.greeting,
        )
    )


@router.post(
    _CONVERSATIONS,
    operation_id="openConversation",
    status_code=201,
    response_model=ConversationDetail,
    responses=refusals(404, 413, 415, 429),
)
async def open_conversation(tenant_id: TenantId, body: ConversationBody, services: Services) -> Response:
    """Begin a text conversation."""
    started = await services.conversations.open(tenant_id, body.customer_phone)
    opened = started.opened
    detail = ConversationDetail(id=opened.conversation_id, tenant_id=tenant_id, active_tools=opened.tools, greeting=opened.greeting)
    return told(detail, status=201)


@router.post(
    _CONVERSATIONS + "/{conversation_id}/messages",
    operation_id="sendMessage",
    response_model=MessageAnswer,
    responses=refusals(404, 413, 415),
)
async def send_message(tenant_id: TenantId, conversation_id: ConversationId, body: MessageBody, services: Services) -> Response:
    """Say something and get the agent's whole answer."""
    reply = await services.conversations.say(tenant_id, conversation_id, body.text)
    return told(MessageAnswer(reply=reply.text, tools=tuple(_tool(use) for use in reply.tools), ended=reply.ended))


@router.post(_CONVERSATIONS + "/{conversation_id}:end", operation_id="endConversation", status_code=204, responses=refusals())
async def end_conversation(tenant_id: TenantId, conversation_id: ConversationId, services: Services) -> Response:
    """End a conversation; ending it again is harmless."""
    await services.conversations.close(tenant_id, conversation_id)
    return Response(status_code=204)


def _tool(use: ToolUse) -> ToolTold:
    return ToolTold(name=use.name, status=use.status, arguments=use.arguments, output=use.output, duration_ms=use.duration_ms)
