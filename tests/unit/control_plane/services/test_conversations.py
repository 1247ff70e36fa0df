"""Text conversations: an agent that never answers is left at the deadline."""

from __future__ import annotations

import asyncio

import pytest

from control_plane.ports import ConversationReply, OpenConversation
from control_plane.services.conversations import ConversationDesk
from nexus.domain.tenant import TenantConfig
from nexus.errors import UpstreamError
from tests.fakes.control_plane import memory_stores


class Mute:
    async def open(self, tenant: TenantConfig, phone: str) -> OpenConversation:
        return OpenConversation("conv_1", "", ())

    async def say(self, tenant_id: str, conversation_id: str, text: str) -> ConversationReply:
        await asyncio.Event().wait()
        raise AssertionError

    async def close(self, tenant_id: str, conversation_id: str) -> None:
        return None


async def test_a_mute_agent_is_left_at_the_deadline() -> None:
    desk = ConversationDesk(memory_stores().tenants, Mute(), deadline_s=0.01)
    started = await desk.open("barber_shop", "")
    with pytest.raises(UpstreamError, match="model_failed"):
        await desk.say("barber_shop", started.opened.conversation_id, "Hello?")
