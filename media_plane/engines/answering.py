"""The answering side of an engine: caller turns to the text agent, its steps to a mouth; text in order, tools, interruptions."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

from media_plane.conversation.commands import Say, ToolAnswer
from media_plane.conversation.events import EngineNotice, ToolRequested
from media_plane.dialogue.steps import AgentStep, HangUp, Notice, SentenceReady, ToolWanted
from media_plane.engines.outbox import Outbox
from media_plane.ports.chat import ToolCall

_MOST_WAITING = 32


class Mouth(Protocol):
    """Where words go, one item after another."""

    async def words(self, item_id: str, text: str) -> None:
        """Give these words in the item, after everything given before."""
        ...

    async def end(self, item_id: str) -> None:
        """Nothing more will come for the item."""
        ...

    async def hang_up(self) -> None:
        """Ask for the end of the call, after everything given before."""
        ...

    def silence(self, item_id: str) -> None:
        """Give nothing more of the item, beginning now."""
        ...


class Agent(Protocol):
    """The part of ``dialogue.agent.TextAgent`` that an engine drives."""

    def answer(self, caller_text: str) -> AsyncIterator[AgentStep]: ...

    def tool_result(self, call_id: str, output: str, failed: bool) -> None: ...

    def tool_ended(self, call: ToolCall, output: str, failed: bool) -> None: ...

    def said(self, text: str) -> None: ...

    def interrupted(self, heard_text: str) -> None: ...

    def informed(self, note: str) -> None: ...


class Answering:
    """One answer at a time. A newer turn cancels the answer in progress; its tools and what was said stay in the agent's memory."""

    def __init__(self, agent: Agent, mouth: Mouth, outbox: Outbox, item_prefix: str) -> None:
        self._agent = agent
        self._mouth = mouth
        self._outbox = outbox
        self._prefix = item_prefix
        self._items = 0
        self._turns: list[str] = []
        self._says: deque[Say] = deque(maxlen=_MOST_WAITING)
        self._wake = asyncio.Event()
        self._answer: asyncio.Task[None] | None = None
        self._answer_item = ""
        self._tools: set[str] = set()
        self._spoken: dict[str, str] = {}

    # --- inputs --------------------------------------------------------------------------------------------------------------

    def turn(self, text: str) -> None:
        """Answer this; cancels the answer in progress. Turns that come before the first is taken up are answered as one."""
        self._turns = [*self._turns, text][-_MOST_WAITING:]
        if self._cancel_answer():
            self._mouth.silence(self._answer_item)
        self._wake.set()

    def say(self, order: Say) -> None:
        """Speak this once the answer in progress is given, or waits for a tool. Beyond 32 waiting lines the oldest is dropped."""
        self._says.append(order)
        self._wake.set()

    def inform(self, note: str) -> None:
        """Let the agent know this; the answer in progress goes on as it is."""
        self._agent.informed(note)

    def tool_answer(self, answer: ToolAnswer) -> None:
        """Hand the agent what its tool said; of a tool that it did not ask for, it tells the caller where that is owed."""
        if answer.name:
            self._agent.tool_ended(ToolCall(answer.request_id, answer.name, answer.arguments), answer.output, answer.failed)
            if answer.owed:
                self._turns.append("")  # nothing was said, but there is something to say; an answer in progress is finished first
                self._wake.set()
            return
        self._tools.discard(answer.request_id)
        self._agent.tool_result(answer.request_id, answer.output, answer.failed)

    def interrupted(self, item_id: str, heard_text: str) -> None:
        """Stop the item and tell the agent what was heard of everything it said since the caller's last turn."""
        self._mouth.silence(item_id)
        if item_id in self._spoken:
            self._spoken[item_id] = heard_text
            self._agent.interrupted(" ".join(text for text in self._spoken.values() if text))
        if item_id == self._answer_item:
            self._cancel_answer()
        self._wake.set()

    def overheard(self, item_id: str, text: str) -> None:
        """Another voice of this engine said this as the agent, and the caller heard it."""
        self._spoken[item_id] = text
        self._agent.said(text)

    # --- the loop ------------------------------------------------------------------------------------------------------------

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Take turns and lines as they come, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            busy = self._answer is not None and not self._answer.done()
            if not busy or self._tools:
                await self._say_lines()
            if self._turns and not busy:
                text, self._turns = " ".join(filter(None, self._turns)), []
                self._begin_answer(group, text)

    def _begin_answer(self, group: asyncio.TaskGroup, text: str) -> None:
        self._tools.clear()
        self._spoken.clear()
        self._answer_item = ""
        self._answer = group.create_task(self._give_answer(text))
        self._answer.add_done_callback(lambda _: self._wake.set())

    def _cancel_answer(self) -> bool:
        return self._answer is not None and not self._answer.done() and self._answer.cancel()

    def _new_item(self) -> str:
        self._items += 1
        return f"{self._prefix}{self._items}"

    async def _say_lines(self) -> None:
        while self._says:
            order = self._says.popleft()
            item_id = self._new_item()
            if order.remember:
                self._spoken[item_id] = order.text
                self._agent.said(order.text)
            await self._mouth.words(item_id, order.text)
            await self._mouth.end(item_id)

    async def _give_answer(self, text: str) -> None:
        steps = self._agent.answer(text)
        hang_up = False
        try:
            async for step in steps:
                hang_up = hang_up or isinstance(step, HangUp)
                await self._take(step)
        finally:
            if isinstance(steps, AsyncGenerator):
                await steps.aclose()
            await self._end_item()
        if hang_up:
            await self._mouth.hang_up()

    async def _take(self, step: AgentStep) -> None:
        match step:
            case SentenceReady(text):
                self._answer_item = self._answer_item or self._new_item()
                self._spoken[self._answer_item] = f"{self._spoken.get(self._answer_item, '')} {text}".strip()
                await self._mouth.words(self._answer_item, text)
            case ToolWanted(call):
                await self._end_item()
                self._tools.add(call.id)
                await self._outbox.put(ToolRequested(call.id, call.name, dict(call.arguments)))
                self._wake.set()
            case Notice(code, message):
                await self._outbox.put(EngineNotice(code, "dialogue", message))

    async def _end_item(self) -> None:
        """What was said so far is an item of its own: while a tool runs others (a filler) are heard, and items are heard one by one."""
        ended, self._answer_item = self._answer_item, ""
        if ended:
            await self._mouth.end(ended)
