"""A conversation with a tenant's agent in text, without a call."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from control_plane.ports import ConversationReply, Conversations, OpenConversation
from nexus.domain.ids import check_tenant_id
from nexus.errors import UpstreamError
from nexus.ports.tenants import TenantStore

ANSWER_DEADLINE_S = 60.0
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class StartedConversation:
    """A conversation and whose agent it is with."""

    tenant_id: str
    opened: OpenConversation


class ConversationDesk:
    """Opens text conversations and passes messages on.

    Args:
        tenants: where configurations come from.
        conversations: the agents' side.
        deadline_s: how long one answer may take.
    """

    def __init__(self, tenants: TenantStore, conversations: Conversations, *, deadline_s: float = ANSWER_DEADLINE_S) -> None:
        self._tenants = tenants
        self._conversations = conversations
        self._deadline_s = deadline_s

    async def open(self, tenant_id: str, phone: str) -> StartedConversation:
        """Begin. Raises like ``TenantStore.for_call`` and ``Conversations.open``."""
        tenant = (await self._tenants.for_call(check_tenant_id(tenant_id))).config
        return StartedConversation(tenant.tenant_id, await self._in_time(self._conversations.open(tenant, phone)))

    async def say(self, tenant_id: str, conversation_id: str, text: str) -> ConversationReply:
        """One message and its whole answer.

        Raises:
            NotFound: ``conversation_not_found``.
            UpstreamError: ``model_failed``, also when the answer took too long.
        """
        return await self._in_time(self._conversations.say(check_tenant_id(tenant_id), conversation_id, text))

    async def close(self, tenant_id: str, conversation_id: str) -> None:
        """End it; silent where none is."""
        await self._conversations.close(check_tenant_id(tenant_id), conversation_id)

    async def _in_time(self, answer: Coroutine[Any, Any, Answer]) -> Answer:
        try:
            async with asyncio.timeout(self._deadline_s):
                return await answer
        except TimeoutError as error:
            raise UpstreamError("model_failed", f"The agent gave no answer within {self._deadline_s:.0f} s; send it again.") from error
