"""One call's text agent: asks the model, gives sentences as they come, has tools run, and keeps the conversation consistent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from media_plane.dialogue.messages import cut_to_heard, from_history, tool_messages, without_calls, without_tool
from media_plane.dialogue.passing import may_pass
from media_plane.dialogue.prompts import system_prompt
from media_plane.dialogue.sentences import SentenceSplitter
from media_plane.dialogue.steps import AgentStep, HangUp, Notice, Passed, SentenceReady, ToolWanted
from media_plane.ports.chat import AgentSaid, AnswerDone, CallerSaid, ChatMessage, ChatModel, ChatRequest, TextDelta, ToolCall, ToolReturned
from media_plane.ports.engine import CallBrief
from media_plane.streams import closing
from nexus.clock import Clock
from nexus.errors import UpstreamError

APOLOGY = "I'm sorry, I lost the thread for a moment. Could you say that again, please?"
_MOST_NOTES = 20
_UNKNOWN_OUTCOME = "No answer came from this tool; whether it took effect is unknown."


@dataclass(frozen=True, slots=True)
class AgentLimits:
    """``rounds``: how often the model may ask for tools within one answer. ``tool_wait_s``: how long an outcome is waited for."""

    rounds: int = 5
    tool_wait_s: float = 90.0


class TextAgent:
    """The text side of one call. One answer at a time: cancel or close the running one before the next ``answer``.

    Args:
        model: asked anew for each answer; it keeps nothing.
        brief: the call; ``brief.history`` and ``brief.outcomes`` are of the time before this agent took over.
        clock: for the date and time in the prompt.
        beside: it stands beside a voice that talks by itself: an answer without words and tools is a ``Passed`` and no fault, unless a
            tool has just answered or the platform's note asks for words.
    """

    def __init__(
        self, model: ChatModel, brief: CallBrief, clock: Clock, limits: AgentLimits | None = None, *, beside: bool = False
    ) -> None:
        self._model = model
        self._brief = brief
        self._clock = clock
        self._limits = limits or AgentLimits()
        self._beside = beside
        self._messages: list[ChatMessage] = from_history(brief.history, brief.outcomes)
        self._live: AgentSaid | None = None  # the answer being made
        self._open: dict[str, tuple[ToolCall, asyncio.Future[ToolReturned]]] = {}
        self._late: list[ChatMessage] = []  # said while outcomes are still awaited: they stand right behind their calls
        self._notes = brief.notes[-_MOST_NOTES:]
        self._inherited: list[ChatMessage] = []  # tools of an agent before this one that ended meanwhile

    @property
    def messages(self) -> tuple[ChatMessage, ...]:
        """The conversation as the model will be shown it."""
        return (*self._messages, *((self._live,) if self._live and self._live.text else ()))

    async def answer(self, caller_text: str) -> AsyncIterator[AgentStep]:
        """Answer the caller, step by step; without any text, answer what a tool has told (``tool_ended``).

        After ``ToolWanted`` the stream waits for ``tool_result``. Never raises for what the model does: a failing model is a ``Notice``
        and a spoken apology. Cancelling (or closing the iterator) stops the model; what was given so far stays in the conversation, and
        a tool that was asked for keeps its place: its outcome is taken in before the next answer, and it is not asked for again.
        """
        self._late += self._inherited
        self._inherited.clear()
        if caller_text:
            self._late.append(CallerSaid(caller_text))
        await self._collect_outcomes()
        hang_up = False
        for _ in range(self._limits.rounds):
            done: AnswerDone | None = None
            async with aclosing(self._ask_model()) as items:
                async for item in items:
                    if isinstance(item, AnswerDone):
                        done = item
                    else:
                        yield item
            if done is None:
                return
            hang_up = hang_up or done.hang_up
            if not done.calls:
                if hang_up:
                    yield HangUp()
                return
            for call in done.calls:
                self._open[call.id] = (call, asyncio.get_running_loop().create_future())
                yield ToolWanted(call)
            await self._collect_outcomes()
        yield Notice("model_failed", f"The model asked for tools {self._limits.rounds} times within one answer.")
        yield self._apology(self._brief.config.phrases.tool_failed)

    def tool_result(self, call_id: str, output: str, failed: bool) -> None:
        """Take the outcome of a ``ToolWanted``; silent for a call that nobody waits for."""
        waiting = self._open.get(call_id)
        if waiting is not None and not waiting[1].done():
            waiting[1].set_result(ToolReturned(waiting[0], output, failed))

    def tool_ended(self, call: ToolCall, output: str, failed: bool) -> None:
        """A tool that an agent before this one asked for has ended; it counts from the next answer on."""
        self._messages = without_tool(self._messages, call.id)
        self._inherited += tool_messages(call, output, failed=failed)

    def said(self, text: str) -> None:
        """The platform itself, or the voice beside, spoke this line as the agent (a greeting, a reminder, small talk)."""
        if text.strip():
            (self._late if self._open else self._messages).append(AgentSaid(text.strip()))

    def informed(self, note: str) -> None:
        """The business tells the agent something; it counts from the next answer on. Of more than twenty notes the newest count."""
        self._notes = (*self._notes, note)[-_MOST_NOTES:]

    def interrupted(self, heard_text: str) -> None:
        """The caller heard only this of the last answer: forget the rest of it. A running answer gives no further sentences."""
        self._commit()
        self._messages = cut_to_heard(self._messages, heard_text)

    async def _ask_model(self) -> AsyncGenerator[AgentStep | AnswerDone]:
        """One model answer: its sentences, then ``AnswerDone``; without that the model failed and the apology is spoken."""
        splitter = SentenceSplitter()
        request = self._request()
        live = self._live = AgentSaid("")
        try:
            async with closing(self._model.stream(request)) as stream:
                async for item in stream:
                    for piece in splitter.feed(item.text) if isinstance(item, TextDelta) else splitter.flush():
                        live = replace(live, text=f"{live.text} {piece}".strip())
                        if not self._still_live(live):
                            return
                        yield SentenceReady(piece)
                    if isinstance(item, AnswerDone):
                        if not live.text and not item.calls and not item.hang_up:
                            if not may_pass(request):
                                raise UpstreamError("model_failed", "The model gave an empty answer.")
                            yield Passed()
                        if self._still_live(replace(live, calls=item.calls, verbatim=item.verbatim)):
                            for step in self._closing_steps(item):
                                yield step
                        return
            raise UpstreamError("model_failed", "The model's stream ended without an answer.")
        except UpstreamError as error:
            self._commit()
            yield Notice(error.code, error.public_message)
            yield self._apology(APOLOGY)
        finally:
            self._commit()

    def _closing_steps(self, done: AnswerDone) -> tuple[AgentStep | AnswerDone, ...]:
        self._commit()
        if done.retries:
            return (Notice("model_malformed_call", f"The model was asked again after a malformed answer (times: {done.retries})."), done)
        return (done,)

    def _still_live(self, live: AgentSaid) -> bool:
        """Take the answer so far; False once the caller has interrupted it."""
        if self._live is None:
            return False
        self._live = live
        return True

    def _commit(self) -> None:
        """The answer being made becomes a message as far as it came; an empty one vanishes."""
        live, self._live = self._live, None
        if live is not None and (live.text or live.calls):
            self._messages.append(live)

    async def _collect_outcomes(self) -> None:
        """Wait for the tools asked for, then place their outcomes, in order, before whatever was said meanwhile.

        Cancelled, it changes nothing: the next call waits on.
        """
        self._messages = without_calls(self._messages, unless_in=frozenset(self._open))
        futures = [future for _, future in self._open.values()]
        if futures:
            await asyncio.wait(futures, timeout=self._limits.tool_wait_s)
        for call, future in self._open.values():
            self._messages.append(future.result() if future.done() else ToolReturned(call, _UNKNOWN_OUTCOME, failed=True))
        self._messages += self._late
        self._open.clear()
        self._late.clear()

    def _request(self) -> ChatRequest:
        config = self._brief.config
        now = self._clock.now().astimezone(ZoneInfo(config.timezone))
        return ChatRequest(
            system=system_prompt(
                config, self._brief.tools, now=now, caller_phone=self._brief.caller_phone, beside=self._beside, notes=self._notes
            ),
            messages=tuple(self._messages),
            tools=self._brief.tools,
            now=now,
            config=config,
            caller_phone=self._brief.caller_phone,
            beside=self._beside,
            notes=self._notes,
        )

    def _apology(self, text: str) -> SentenceReady:
        self._messages.append(AgentSaid(text))
        return SentenceReady(text)
