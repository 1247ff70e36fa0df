"""Turns, lines, tools and interruptions in writing: the answering side with a text agent by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from media_plane.conversation.commands import CallerTurn, Interrupted, Say, ToolAnswer
from media_plane.conversation.events import AgentItemEnded, AgentText, EngineEvent, HangUpRequested, ToolRequested
from media_plane.dialogue.steps import AgentStep, HangUp, SentenceReady, ToolWanted
from media_plane.engines.text import TextEngine
from media_plane.ports.chat import ToolCall
from media_plane.ports.engine import CallBrief
from nexus.domain.tenant import TenantConfig

BRIEF = CallBrief("call_1", TenantConfig(tenant_id="shop", system_prompt="x"), (), "e1-")
LOOK = ToolWanted(ToolCall("t1", "look", {"day": "Monday"}))


@dataclass
class WrittenAgent:
    """Gives the written steps of each answer; after a tool it waits for the result. ``None`` waits for ever."""

    answers: list[list[AgentStep | None]]
    asked: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    result: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, caller_text: str) -> AsyncIterator[AgentStep]:
        self.asked.append(caller_text)
        for step in self.answers.pop(0):
            if step is None:
                await asyncio.Event().wait()
                continue
            yield step
            if isinstance(step, ToolWanted):
                await self.result.wait()

    def tool_result(self, call_id: str, output: str, failed: bool) -> None:
        self.result.set()

    def tool_ended(self, call: ToolCall, output: str, failed: bool) -> None:
        self.lines.append(f"outcome: {call.name}: {output}")

    def said(self, text: str) -> None:
        self.lines.append(text)

    def interrupted(self, heard_text: str) -> None:
        self.heard.append(heard_text)

    def informed(self, note: str) -> None:
        self.lines.append(f"note: {note}")


@dataclass
class Talk:
    engine: TextEngine
    agent: WrittenAgent
    stream: AsyncIterator[EngineEvent]

    async def next(self, count: int) -> list[EngineEvent]:
        async with asyncio.timeout(5):
            return [await anext(self.stream) for _ in range(count)]


@asynccontextmanager
async def talk(*answers: list[AgentStep | None]) -> AsyncIterator[Talk]:
    before = asyncio.all_tasks()
    agent = WrittenAgent([*answers])
    engine = TextEngine(lambda _: agent)
    await engine.start(BRIEF)
    try:
        yield Talk(engine, agent, aiter(engine.events()))
    finally:
        await engine.close()
    assert asyncio.all_tasks() <= before


async def test_what_is_said_before_and_after_a_tool_are_two_items_and_a_filler_fits_between() -> None:
    async with talk([SentenceReady("I look."), LOOK, SentenceReady("Monday is free.")]) as call:
        await call.engine.send(CallerTurn("Monday?"))
        assert await call.next(3) == [AgentText("e1-1", "I look."), AgentItemEnded("e1-1"), ToolRequested("t1", "look", {"day": "Monday"})]
        await call.engine.send(Say("One moment.", remember=False))
        assert await call.next(2) == [AgentText("e1-2", "One moment."), AgentItemEnded("e1-2")]
        await call.engine.send(ToolAnswer("t1", "free"))
        assert await call.next(2) == [AgentText("e1-3", "Monday is free."), AgentItemEnded("e1-3")]
        assert call.agent.lines == []


async def test_a_newer_turn_silences_the_answer_in_progress() -> None:
    async with talk([SentenceReady("Long"), None], [SentenceReady("Short.")]) as call:
        await call.engine.send(CallerTurn("first"))
        assert await call.next(1) == [AgentText("e1-1", "Long")]
        await call.engine.send(CallerTurn("second"))
        assert await call.next(3) == [AgentItemEnded("e1-1"), AgentText("e1-2", "Short."), AgentItemEnded("e1-2")]
        assert call.agent.asked == ["first", "second"]


async def test_turns_that_come_together_are_answered_together() -> None:
    async with talk([SentenceReady("Both.")]) as call:
        await call.engine.send(CallerTurn("one"))
        await call.engine.send(CallerTurn("two"))
        assert await call.next(2) == [AgentText("e1-1", "Both."), AgentItemEnded("e1-1")]
        assert call.agent.asked == ["one two"]


async def test_an_interruption_ends_the_answer_and_tells_what_was_heard_of_all_of_it() -> None:
    async with talk([SentenceReady("I look."), LOOK, SentenceReady("Monday is free."), None]) as call:
        await call.engine.send(CallerTurn("Monday?"))
        await call.next(3)
        await call.engine.send(ToolAnswer("t1", "free"))
        assert await call.next(1) == [AgentText("e1-2", "Monday is free.")]
        await call.engine.send(Interrupted("e1-2", "Monday"))
        assert await call.next(1) == [AgentItemEnded("e1-2")]
        assert call.agent.heard == ["I look. Monday"]


async def test_an_interrupted_filler_is_none_of_the_agents_business() -> None:
    async with talk() as call:
        await call.engine.send(Say("One moment.", remember=False))
        await call.next(2)
        await call.engine.send(Interrupted("e1-1", "One"))
        await call.engine.send(Say("Hello."))
        assert await call.next(2) == [AgentText("e1-2", "Hello."), AgentItemEnded("e1-2")]
        assert (call.agent.heard, call.agent.lines) == ([], ["Hello."])


async def test_lines_wait_until_the_answer_is_given_and_hanging_up_comes_last() -> None:
    async with talk([SentenceReady("Goodbye."), HangUp()]) as call:
        await call.engine.send(CallerTurn("bye"))
        assert await call.next(3) == [AgentText("e1-1", "Goodbye."), AgentItemEnded("e1-1"), HangUpRequested()]
