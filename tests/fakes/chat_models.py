"""Chat models by hand: one that gives written answers, and a caller who talks with a real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from media_plane.ports.chat import AgentSaid, AnswerDone, CallerSaid, ChatMessage, ChatModel, ChatRequest, TextDelta, ToolReturned
from media_plane.ports.tools import ToolSpec
from nexus.domain.tenant import TenantConfig
from nexus.errors import UpstreamError

SATURDAY = datetime(2026, 11, 21, 10, 0, tzinfo=ZoneInfo("America/New_York"))


@dataclass(slots=True)
class WrittenChat:
    """Gives one written answer per request. A ``None`` in an answer waits until ``go`` is set; an error is raised."""

    answers: list[Sequence[str | AnswerDone | UpstreamError | None]]
    requests: list[ChatRequest] = field(default_factory=list)
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    closed: int = 0

    @property
    def name(self) -> str:
        return "written"

    async def stream(self, request: ChatRequest) -> AsyncIterator[TextDelta | AnswerDone]:
        self.requests.append(request)
        try:
            for item in self.answers.pop(0):
                if item is None:
                    self.waiting.set()
                    await self.go.wait()
                elif isinstance(item, UpstreamError):
                    raise item
                else:
                    yield TextDelta(item) if isinstance(item, str) else item
        finally:
            self.closed += 1


@dataclass(slots=True)
class Conversation:
    """A caller talking with a chat model whose tools answer as written: ``calls`` is what it asked for, ``said`` all it said."""

    model: ChatModel
    tools: tuple[ToolSpec, ...]
    config: TenantConfig
    outcomes: Mapping[str, list[tuple[str, bool]]] = field(default_factory=dict)
    caller_phone: str = ""
    beside: bool = False
    messages: list[ChatMessage] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    hung_up: bool = False

    async def say(self, text: str) -> str:
        """What the agent answers, after all its tools."""
        self.messages.append(CallerSaid(text))
        spoken = []
        for _ in range(5):
            words, done = await self._ask()
            spoken.append(words)
            if not done.calls:
                break
            for call in done.calls:
                self.calls.append((call.name, dict(call.arguments)))
                outcomes = self.outcomes.get(call.name)
                output, failed = outcomes.pop(0) if outcomes else ("That's done.", False)
                self.messages.append(ToolReturned(call, output, failed))
        self.said.append(" ".join(part for part in spoken if part))
        return self.said[-1]

    def voice(self, text: str) -> None:
        """The voice beside the model says this."""
        self.messages.append(AgentSaid(text))

    async def _ask(self) -> tuple[str, AnswerDone]:
        request = ChatRequest("", tuple(self.messages), self.tools, SATURDAY, self.config, self.caller_phone, self.beside)
        items = [item async for item in self.model.stream(request)]
        words = "".join(item.text for item in items if isinstance(item, TextDelta))
        done = items[-1]
        assert isinstance(done, AnswerDone)
        self.hung_up = self.hung_up or done.hang_up
        if words or done.calls:
            self.messages.append(AgentSaid(words, done.calls))
        return words, done
