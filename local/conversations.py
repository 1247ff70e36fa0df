"""Text conversations over the media plane's dialogue: for trying an agent without a voice. They leave no session record."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from control_plane.ports import ConversationReply, OpenConversation
from media_plane.conversation.commands import RunTool
from media_plane.dialogue.agent import TextAgent
from media_plane.dialogue.steps import HangUp, Notice, SentenceReady, ToolWanted
from media_plane.ports.chat import ChatModel
from media_plane.ports.engine import CallBrief
from media_plane.ports.tools import ToolRunner
from nexus.clock import Clock
from nexus.domain.session import ToolUse
from nexus.domain.tenant import TenantConfig
from nexus.errors import NotFound
from nexus.ports.ids import Ids

_MOST_OPEN = 200


@dataclass(slots=True)
class _Open:
    tenant_id: str
    agent: TextAgent
    tools: ToolRunner
    turn: int = 0
    answering: asyncio.Lock = field(default_factory=asyncio.Lock)


class TextConversations:
    """Keeps the two hundred newest conversations; an older one that nobody uses is forgotten.

    Args:
        model: answers.
        tools_for: makes the tool runner of one conversation, from the configuration and the conversation's id.
    """

    def __init__(self, model: ChatModel, tools_for: Callable[[TenantConfig, str], ToolRunner], ids: Ids, clock: Clock) -> None:
        self._model = model
        self._tools_for = tools_for
        self._ids = ids
        self._clock = clock
        self._open: OrderedDict[str, _Open] = OrderedDict()

    async def open(self, tenant: TenantConfig, phone: str) -> OpenConversation:
        """Begin a conversation."""
        conversation_id = self._ids.new("call")
        runner = self._tools_for(tenant, conversation_id)
        tools = await runner.tools()
        brief = CallBrief(call_id=conversation_id, config=tenant, tools=tools, item_prefix="t", caller_phone=phone)
        agent = TextAgent(self._model, brief, self._clock)
        greeting = tenant.greeting if tenant.first_speaker == "agent" else ""
        agent.said(greeting)
        self._open[conversation_id] = _Open(tenant.tenant_id, agent, runner)
        while len(self._open) > _MOST_OPEN:
            self._open.popitem(last=False)
        return OpenConversation(conversation_id, greeting, tuple(tool.name for tool in tools))

    async def say(self, tenant_id: str, conversation_id: str, text: str) -> ConversationReply:
        """One message, its whole answer. Raises NotFound ``conversation_not_found``."""
        talk = self._open.get(conversation_id)
        if talk is None or talk.tenant_id != tenant_id:
            raise NotFound("conversation_not_found", "There is no such conversation, or it has been forgotten; open another.")
        self._open.move_to_end(conversation_id)
        async with talk.answering:
            return await self._answer(talk, text)

    async def close(self, tenant_id: str, conversation_id: str) -> None:
        """End it; silent where none is."""
        talk = self._open.get(conversation_id)
        if talk is not None and talk.tenant_id == tenant_id:
            del self._open[conversation_id]

    async def _answer(self, talk: _Open, text: str) -> ConversationReply:
        said: list[str] = []
        uses: list[ToolUse] = []
        ended = False
        talk.turn += 1
        async for step in talk.agent.answer(text):
            match step:
                case SentenceReady():
                    said.append(step.text)
                case ToolWanted():
                    uses.append(await self._run(talk, step))
                case HangUp():
                    ended = True
                case Notice():
                    pass  # the agent has said its apology; the log has the fault
        return ConversationReply(" ".join(said), tuple(uses), ended)

    async def _run(self, talk: _Open, wanted: ToolWanted) -> ToolUse:
        began_ms = self._clock.monotonic_ms()
        outcome = await talk.tools.run(RunTool(wanted.call.id, wanted.call.name, wanted.call.arguments))
        failed = outcome.status in ("refused", "failed", "unknown")
        talk.agent.tool_result(wanted.call.id, (outcome.spoken if failed else "") or outcome.output, failed)
        arguments: dict[str, Any] = dict(wanted.call.arguments)
        return ToolUse(
            request_id=wanted.call.id,
            effect_id=outcome.effect_id,
            name=wanted.call.name,
            turn=talk.turn,
            arguments=arguments,
            output=outcome.output,
            status=outcome.status,
            duration_ms=round(self._clock.monotonic_ms() - began_ms, 1),
            error_code=outcome.error_code,
        )
