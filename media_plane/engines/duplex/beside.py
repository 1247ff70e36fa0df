"""The text agent beside the model, watched: what it wants decides who is heard."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

from media_plane.dialogue.steps import AgentStep
from media_plane.engines.answering import Agent
from media_plane.ports.chat import ToolCall


class AgentWatcher(Protocol):
    """Told what the agent does, before it takes effect."""

    def answer_begins(self) -> None: ...

    async def step(self, step: AgentStep) -> None: ...

    async def answer_given(self) -> None: ...

    def answer_called_off(self) -> None: ...


class WatchedAgent:
    """Implements ``Agent`` over another one and tells the watcher of each step."""

    def __init__(self, agent: Agent, watcher: AgentWatcher) -> None:
        self._agent = agent
        self._watcher = watcher

    async def answer(self, caller_text: str) -> AsyncIterator[AgentStep]:
        """The steps of the agent's answer."""
        self._watcher.answer_begins()
        steps = self._agent.answer(caller_text)
        given = False
        try:
            async for step in steps:
                await self._watcher.step(step)
                yield step
            given = True
            await self._watcher.answer_given()
        finally:
            if not given:
                self._watcher.answer_called_off()
            if isinstance(steps, AsyncGenerator):
                await steps.aclose()

    def tool_result(self, call_id: str, output: str, failed: bool) -> None:
        """Hand over the outcome of a tool."""
        self._agent.tool_result(call_id, output, failed)

    def tool_ended(self, call: ToolCall, output: str, failed: bool) -> None:
        """Hand over what a tool told that an agent before this one asked for."""
        self._agent.tool_ended(call, output, failed)

    def said(self, text: str) -> None:
        """Somebody else spoke this line as the agent."""
        self._agent.said(text)

    def interrupted(self, heard_text: str) -> None:
        """Only this was heard."""
        self._agent.interrupted(heard_text)

    def informed(self, note: str) -> None:
        """Hand over what the business says."""
        self._agent.informed(note)


class NoAgent:
    """Implements ``Agent`` where there is none: it passes every time."""

    async def answer(self, caller_text: str) -> AsyncIterator[AgentStep]:
        """Nothing."""
        nothing: tuple[AgentStep, ...] = ()
        for step in nothing:
            yield step

    def tool_result(self, call_id: str, output: str, failed: bool) -> None:
        """Nobody waits."""

    def tool_ended(self, call: ToolCall, output: str, failed: bool) -> None:
        """Nobody remembers."""

    def said(self, text: str) -> None:
        """Nobody remembers."""

    def interrupted(self, heard_text: str) -> None:
        """Nobody remembers."""

    def informed(self, note: str) -> None:
        """Nobody remembers."""
